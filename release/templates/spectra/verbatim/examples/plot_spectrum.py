"""The strangest object's spectrum beside its reconstruction; run it from the release's folder."""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

strangest = pl.read_parquet("catalog/anomalies.parquet", columns=["TARGETID"])["TARGETID"].head(1)
spectra = pl.scan_parquet("spectra/spectra.parquet").filter(pl.col("TARGETID").is_in(strangest))
for spectrum in spectra.collect().iter_rows(named=True):
    flux = np.where(np.array(spectrum["ivar"]) > 0, spectrum["flux"], np.nan)
    wave = 3600 + 0.8 * np.arange(len(flux))  # Angstrom, vacuum
    plt.plot(wave, flux, lw=0.3, label="flux")
    plt.plot(wave, spectrum["model"], lw=0.8, label="reconstruction")
    plt.legend()
plt.show()
