"""LAMOST's low-resolution survey."""
