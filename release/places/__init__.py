"""Where releases are published and fetched from."""
