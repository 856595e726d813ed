"""What others' tools take for the same work; runs in an environment of its own.

Called by the other benchmarks with the interpreter that QAD_BENCH_PYTHON names, e.g. of
``pip install desispec fitsio specutils spectres pyarrow``. Prints CPU seconds as JSON.
"""

import json
import os
import sys
import tempfile
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from side_by_side import time_in_turns

UNUSED = ("RESOLUTION", "EXP_FIBERMAP", "SCORES")
IMAGES = [f"{arm}_{kind}" for arm in "BRZ" for kind in ("FLUX", "IVAR", "MASK")]


def time_reading(path: str, targetids: np.ndarray, repeats: int) -> dict[str, float]:
    """Time readers of some rows of a coadd."""
    works = {}
    if find_spec("desispec"):
        from desispec.io import read_spectra

        works["desispec, default"] = partial(read_spectra, path)
        works["desispec, by TARGETID"] = partial(read_spectra, path, targetids=targetids)
        works["desispec, best"] = partial(read_spectra, path, targetids=targetids, skip_hdus=UNUSED)
    if find_spec("fitsio"):
        works["fitsio, row slices"] = partial(_read_fitsio, path, targetids)
    return time_in_turns(works, repeats)


def time_resampling(given: dict[str, np.ndarray], repeats: int) -> dict[str, float]:
    """Time resamplers on joined spectra (n, p) and rest-frame pixel centres (n, q)."""
    works = {}
    if find_spec("desispec"):
        works["desispec resample_flux"] = partial(_each, _resample_desispec, given, 1)
    if find_spec("spectres"):
        works["spectres"] = partial(_each, _resample_spectres, given, 8)
    if find_spec("specutils"):
        works["specutils FluxConserving"] = partial(_each, _resample_specutils, given, 16)
    shares = {"spectres": 8, "specutils FluxConserving": 16}
    seconds = time_in_turns(works, repeats)
    return {name: shares.get(name, 1) * value for name, value in seconds.items()}


def time_joining(path: str, targetids: np.ndarray, repeats: int) -> dict[str, float]:
    """Time desispec's joining of the arms."""
    if not find_spec("desispec"):
        return {}
    from desispec.coaddition import coadd_cameras

    spectra = _read_desispec(path, targetids)
    return time_in_turns({"desispec coadd_cameras": partial(coadd_cameras, spectra)}, repeats)


def time_network(given: dict[str, np.ndarray], repeats: int) -> dict[str, float]:
    """Time Spender's autoencoder (Melchior et al. 2023) on windows (n, m)."""
    if not find_spec("spender"):
        return {}
    import torch
    from spender import SpectrumDecoder, SpectrumEncoder

    torch.set_num_threads(1)
    flux, weight = torch.from_numpy(given["flux"]), torch.from_numpy(given["weight"])
    encoder = SpectrumEncoder(None, 16)
    decoder = SpectrumDecoder(torch.linspace(850, 7600, flux.shape[1]), 16)
    both = torch.nn.ModuleList([encoder, decoder])
    optimiser = torch.optim.Adam(both.parameters(), lr=1e-4)

    def train() -> None:
        both.train()
        loss = (weight * (decoder.decode(encoder(flux)) - flux) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def reconstruct() -> None:
        both.eval()
        with torch.no_grad():
            decoder.decode(encoder(flux))

    works = {"Spender, train": train, "Spender, encode and decode": reconstruct}
    return time_in_turns(works, repeats)


def time_chain(
    paths: list[str], targetids: np.ndarray, given: dict[str, np.ndarray], repeats: int
) -> dict[str, float]:
    """Time read_spectra, coadd_cameras, resample_flux and Parquet on all files."""
    if not find_spec("desispec"):
        return {}
    return time_in_turns({"desispec": partial(_run_chain, paths, targetids, given)}, repeats)


def _run_chain(paths: list[str], targetids: np.ndarray, given: dict[str, np.ndarray]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from desispec.coaddition import coadd_cameras
    from desispec.interpolation import resample_flux

    first = 0
    for path, wanted in zip(paths, np.split(targetids, len(paths)), strict=True):
        joined = coadd_cameras(_read_desispec(path, wanted))
        wave, values = joined.wave["brz"], []
        for k in range(len(wanted)):
            good = joined.ivar["brz"][k] * (joined.mask["brz"][k] == 0)
            rest = wave / (1 + given["z"][first + k])
            values.append(
                resample_flux(given["centres"][first + k], rest, joined.flux["brz"][k], good)
            )
        first += len(wanted)
        columns = {
            "TARGETID": wanted,
            "flux": [flux.astype("f4") for flux, _ in values],
            "ivar": [ivar.astype("f4") for _, ivar in values],
        }
        with tempfile.NamedTemporaryFile(suffix=".parquet") as handle:
            pq.write_table(pa.table(columns), handle.name)


def _read_desispec(path: str, targetids: np.ndarray):
    from desispec.io import read_spectra

    spectra = read_spectra(path, targetids=targetids, skip_hdus=UNUSED)
    spectra.resolution_data = spectra.R = spectra.exp_fibermap = None
    return spectra


def _read_fitsio(path: str, targetids: np.ndarray) -> None:
    import fitsio

    with fitsio.FITS(path) as hdus:
        listed = hdus["FIBERMAP"].read(columns=["TARGETID"])["TARGETID"]
        rows = np.flatnonzero(np.isin(listed, targetids))
        for name in IMAGES:
            np.concatenate([hdus[name][int(row) : int(row) + 1, :] for row in rows])


def _each(resample, given: dict[str, np.ndarray], share: int) -> None:
    """Resample every spectrum, or one of so many with slow tools."""
    for k in range(0, len(given["z"]), share):
        rest = given["wave"] / (1 + given["z"][k])
        resample(given["centres"][k], rest, given["flux"][k], given["ivar"][k])


def _resample_desispec(centres, rest, flux, ivar) -> None:
    from desispec.interpolation import resample_flux

    resample_flux(centres, rest, flux, ivar)


def _resample_spectres(centres, rest, flux, ivar) -> None:
    from spectres import spectres

    error = 1 / np.sqrt(np.where(ivar > 0, ivar, 1e-12))
    spectres(centres, rest, flux, error, verbose=False)


def _resample_specutils(centres, rest, flux, ivar) -> None:
    from astropy import units
    from astropy.nddata import InverseVariance
    from specutils import Spectrum
    from specutils.manipulation import FluxConservingResampler

    spectrum = Spectrum(
        spectral_axis=rest * units.AA,
        flux=flux * units.Jy,
        uncertainty=InverseVariance(ivar / units.Jy**2),
    )
    FluxConservingResampler()(spectrum, centres * units.AA)


def main() -> None:
    """Do what the arguments name: a kind of work, the input file, the repeats."""
    warnings.simplefilter("ignore")
    os.environ["DESI_LOGLEVEL"] = "ERROR"
    kind, name, repeats = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    given = dict(np.load(name))
    paths = [str(path) for path in given.pop("paths", ())]
    if kind == "read":
        seconds = time_reading(paths[0], given["targetid"], repeats)
    elif kind == "resample":
        seconds = time_resampling(given, repeats)
        seconds |= time_joining(paths[0], given["targetid"], repeats)
    elif kind == "network":
        seconds = time_network(given, repeats)
    else:
        seconds = time_chain(paths, given["targetid"], given, repeats)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
