"""The server beside the pages: requests, processes, limits."""
