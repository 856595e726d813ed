"""Columns that the pipeline makes, in lower snake case, a chapter a file."""
