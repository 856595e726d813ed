"""The tables and documents of a release as other programs and people read them."""
