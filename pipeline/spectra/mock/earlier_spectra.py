"""Earlier spectra of some quasars, as a survey like SDSS left them, and their index."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.spectra.mock import fits
from pipeline.spectra.mock.identity import Identity
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.observe import CHANGING_LOOK, Target

SHARE = 0.05
# Relative scatter of what the fibre lost.
_LOSSES = 0.1
_LOGLAM = np.arange(3.5810, 3.9638, 1e-4)
_COADD = np.dtype([("flux", ">f4"), ("loglam", ">f4"), ("ivar", ">f4"), ("and_mask", ">i4")])
_FIRST_MJD, _LAST_MJD = 52000, 54500


class Sighting(NamedTuple):
    """A row of the index: position (ICRS, degrees), night and file of an earlier spectrum."""

    ra: float
    dec: float
    mjd: int
    file: str


def write_spectra(
    folder: Path, rng: np.random.Generator, plate: int, identity: Identity, sample: list[Target]
) -> list[Sighting]:
    """Observe some quasars of a shard years before DESI did; return their rows of the index.

    Those that have changed since are all among them.

    Parameters
    ----------
    folder : Path
        Of the spectra, ``spec-PLATE-MJD-FIBER.fits``.
    rng : Generator
    plate : int
        Another one for each shard.
    identity : Identity
    sample : list of Target
    """
    sightings: list[Sighting] = []
    for row, target in enumerate(sample):
        is_drawn = rng.random() < SHARE
        if target.true_class != "quasar" or not (is_drawn or target.family == CHANGING_LOOK):
            continue
        mjd, fibre = int(rng.integers(_FIRST_MJD, _LAST_MJD)), len(sightings) + 1
        name = f"spec-{plate:04d}-{mjd}-{fibre:04d}.fits"
        fits.write_tables(folder / name, {}, {"COADD": _observe(rng, target.earlier)})
        sightings.append(Sighting(identity.ra[row], identity.dec[row], mjd, name))
    return sightings


def write_index(path: Path, sightings: Sequence[Sighting]) -> None:
    """Write the index as a CSV table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{s.ra:.7f},{s.dec:.7f},{s.mjd},{s.file}" for s in sightings]
    path.write_text("\n".join([",".join(Sighting._fields), *lines]) + "\n")


def _observe(rng: np.random.Generator, flux: np.ndarray) -> np.ndarray:
    """Return the COADD table of a spectrum of this flux, (7781,) 1e-17 erg/s/cm2/Å."""
    wave = 10**_LOGLAM
    light = np.interp(wave, WAVE, flux) * np.exp(rng.normal(0, _LOSSES))
    # The noise of a plate of SDSS: least in the middle, and a part of the light itself.
    sigma = np.hypot(0.9 * (1 + ((wave - 6500) / 2500) ** 2), 0.02 * light)
    table = np.zeros(len(wave), _COADD)
    table["loglam"], table["ivar"] = _LOGLAM, sigma**-2
    table["flux"] = light + sigma * rng.standard_normal(len(wave))
    return table
