"""The stages from a source to measured spectra, a file each."""
