"""A spectrum of SDSS in the rest-frame window of a present one."""

import numpy as np

from pipeline.spectra.science.epochs import Epoch
from pipeline.spectra.science.extinction import deredden, transmission
from pipeline.spectra.science.restframe import RestFrameGrid, resample_log
from pipeline.spectra.sdss.spec_file import LOG10_STEP, LogSpectrum


def resample_spectrum(
    spectrum: LogSpectrum, ebv: float, r_v: float, z: float, start: int, grid: RestFrameGrid
) -> Epoch:
    """Deredden a spectrum and resample it to a rest-frame window."""
    wave = 10 ** (spectrum.log10_first + LOG10_STEP * np.arange(len(spectrum.flux)))
    passed = transmission(wave, np.array([ebv]), r_v)
    flux, ivar = (values[None].astype(np.float32) for values in (spectrum.flux, spectrum.ivar))
    flux, ivar = deredden(flux, ivar, passed)
    return Epoch(*resample_log(flux[0], ivar[0], spectrum.log10_first, LOG10_STEP, z, start, grid))
