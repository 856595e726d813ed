"""Spectra in the SDSS data model."""
