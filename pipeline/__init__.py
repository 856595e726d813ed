"""The offline pipeline: DESI spectra in, calibrated anomaly scores out, one file per stage."""
