"""Spectra, a kind of data: how they are read, modelled and measured."""
