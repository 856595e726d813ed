"""Rows as files, in every format."""
