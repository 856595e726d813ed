"""What others know of an object: external catalogues."""
