"""Positions of the graded objects with pandas; run it from the folder of the release."""

import pandas as pd

columns = ["TARGETID", "TARGET_RA", "TARGET_DEC", "Z", "finding", "tier", "q_value"]
print(pd.read_parquet("catalog/anomalies.parquet", columns=columns).head(10))
