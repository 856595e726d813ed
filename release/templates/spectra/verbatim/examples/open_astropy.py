"""Units and descriptions with astropy; run it from the folder of the release."""

from astropy.table import Table

anomalies = Table.read("catalog/anomalies.parquet", format="parquet.votable")
anomalies["TARGETID", "TARGET_RA", "TARGET_DEC", "Z", "anomaly_score"].info()
