"""The kind of data of each parent sample of spectra, by the word that asks for it."""

PARENT_KINDS = {"qso": "spectra", "galaxy": "galaxies", "star": "stars", "any": "observed"}
