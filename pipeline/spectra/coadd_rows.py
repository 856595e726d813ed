"""Joined spectra as rows of `coadds`."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from catalog_schema.tables import COADDS
from catalog_schema.vocabulary import Arm
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table
from pipeline.spectra.sampled import attach_sampling
from pipeline.spectra.science.coadd import Spectra, measure_coverage, measure_snr
from pipeline.spectra.science.noise import compare_readings, measure_levels

# Rows measured at a time: their arrays stay in the processor's cache.
_BLOCK_ROWS = 64


def spectra_to_table(
    shard: Shard,
    spectra: Spectra,
    sampling: Sampling,
    places: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Lay joined spectra out as rows of `coadds`, with SNR, coverage and noise per arm.

    Parameters
    ----------
    shard : Shard
    spectra : Spectra
    sampling : Sampling
        Columns of an arm that it has not say that nothing is known of it.
    places : ndarray of int, shape (3, n), optional
        Night, petal and fibre; -1 is not known.
    """
    if places is None:
        places = np.full((3, len(spectra.targetid)), -1)
    blocks = [
        slice(first, first + _BLOCK_ROWS)
        for first in range(0, max(len(spectra.targetid), 1), _BLOCK_ROWS)
    ]
    rows = pa.concat_tables(
        _to_rows(shard, spectra.take(block), sampling, places[:, block]) for block in blocks
    )
    return attach_sampling(rows, sampling)


def _to_rows(
    shard: Shard, spectra: Spectra, sampling: Sampling, places: NDArray[np.int64]
) -> pa.Table:
    n = len(spectra.targetid)
    columns: dict[str, object] = {
        "SURVEY": [shard.survey] * n,
        "PROGRAM": [shard.program] * n,
        "HEALPIX": [shard.healpix] * n,
        "TARGETID": spectra.targetid,
        "snr": measure_snr(spectra.flux, spectra.ivar),
        "flux": spectra.flux,
        "ivar": spectra.ivar,
        "mask": spectra.mask,
    }
    for name, values in zip(("NIGHT", "PETAL_LOC", "FIBER"), places, strict=True):
        columns[name] = pa.array(values, mask=values < 0)
    for name in Arm.values():
        for measure in ("snr", "coverage", "noise", "ivar"):
            columns[f"{measure}_{name}"] = np.full(n, np.nan)
    for arm, noise, ivar in zip(sampling.arms, *_measure_noise(spectra, sampling), strict=True):
        columns[f"noise_{arm.name}"], columns[f"ivar_{arm.name}"] = noise, ivar
    for arm in sampling.arms:
        flux, ivar = spectra.flux[:, arm.pixels], spectra.ivar[:, arm.pixels]
        columns[f"snr_{arm.name}"] = measure_snr(flux, ivar)
        columns[f"coverage_{arm.name}"] = measure_coverage(ivar)
    return columns_to_table(COADDS, columns)


def _measure_noise(spectra: Spectra, sampling: Sampling) -> tuple[NDArray, NDArray]:
    """Return scatter over what ivar says, and mean ivar, shapes (number of arms, n).

    NaN without pixels enough.
    """
    sums = np.zeros((len(spectra.targetid), len(sampling.arms), 3))
    pixels = [(arm.first, arm.last) for arm in sampling.arms]
    levels = measure_levels(spectra.flux, spectra.ivar, pixels, sums)
    is_known = np.isfinite(levels[..., 0]).any(axis=2)
    noise = np.stack(
        [compare_readings(levels[:, k : k + 1])[1] for k in range(len(pixels))], axis=1
    )
    total, n_good, _ = np.moveaxis(sums, 2, 0)
    ivar = np.divide(total, n_good, out=np.full(total.shape, np.nan), where=n_good > 0)
    return np.where(is_known, noise, np.nan).T, ivar.T
