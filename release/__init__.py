"""The release generator: from the lake to a versioned, immutable, documented catalogue."""
