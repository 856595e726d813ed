"""The catalogue's schema: every column and table of the project, stated once.

This package knows facts and imports nothing else of the project.
"""
