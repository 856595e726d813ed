"""Files of spectra that belong to no survey tree."""
