"""Bytes of a source: a folder, a bucket or a mirror, read by ranges."""
