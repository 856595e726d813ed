"""A match by position with LSDB; run it from the folder of the release."""

import lsdb
import pandas as pd

# A table of your own; or lsdb.open_catalog of another survey's HATS collection.
first = pd.read_parquet("catalog/anomalies.parquet", columns=["TARGET_RA", "TARGET_DEC"]).head(5)
mine = lsdb.from_dataframe(first, ra_column="TARGET_RA", dec_column="TARGET_DEC")
quasars = lsdb.open_catalog("hats", columns=["TARGETID", "Z", "tier"])
print(mine.crossmatch(quasars, radius_arcsec=1.5, suffix_method="overlapping_columns").compute())

spectra = lsdb.open_catalog("hats_spectra/anomalies", columns=["TARGETID", "spectrum"])
print(spectra.head(1)["spectrum"].iloc[0])
