"""Families of planted anomalies: how each changes what DESI would have seen."""
