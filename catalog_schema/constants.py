"""Constants of nature, in the units of spectra."""

LIGHT_SPEED = 299_792.458  # km/s
# Å K, to five digits. CODATA has 1.438777e8: more digits would change no shape that matters here,
# but every byte of a mock's stars.
SECOND_RADIATION_CONSTANT = 1.4388e8
