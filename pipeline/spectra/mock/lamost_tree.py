"""Writes a mock survey as LAMOST publishes one: spectra by plan, of old and new layout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.spectra.mock import fits
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.mock.columns import fill_table
from pipeline.spectra.mock.identity import Identity
from pipeline.spectra.mock.observe import Coadd, Target
from pipeline.spectra.mock.plan import ShardPlan, refuse_members
from pipeline.spectra.mock.redrock import build_redshifts
from pipeline.spectra.mock.spectrographs import LAMOST, LOG10_STEP, observe
from pipeline.spectra.mock.survey import Progress, draw_sample, make_truth

CATALOGUE = "dr9_v1.0_LRS_catalogue.csv"
_FIBRES, _SPECTROGRAPHS = 250, 16
_FIRST_PLAN, _FIRST_LMJD, _DAYS = 5001, 57400, 11
# Fluxes are counts of a kind: their level says nothing of the brightness.
_LEVEL, _SCATTER = 300.0, 0.3
# The redshift of a spectrum without one.
_NONE = -9999.0
_FIBRE_TYPES = {"standard": "F-std", "sky": "Sky", "stuck": "Dead"}
_COLUMNS = (
    "obsid",
    "designation",
    "lmjd",
    "planid",
    "spid",
    "fiberid",
    "ra",
    "dec",
    "snri",
    "class",
    "z",
    "z_err",
    "fibertype",
)


def write_lamost_tree(
    tree: Path, plans: list[ShardPlan], seed: int, progress: Progress
) -> pa.Table:
    """Write ``PLANID/spec-LMJD-PLANID_spSPID-FIBERID.fits`` and the catalogue, cells between bars.

    Each shard is a plan of one night, of which every other one is in the layout of DR7 and before.
    Faults of DESI's arms are not planted.

    Raises
    ------
    ValueError
        If a plan would have more than its four thousand fibres.
    """
    lines, truths = ["|".join(_COLUMNS)], []
    refuse_members(plans)
    for number, plan in enumerate(plans):
        rng = np.random.default_rng(plan.seed)
        scenes = tuple(name for name in plan.families if FAMILIES[name].change_scene)
        identity, sample = draw_sample(rng, replace(plan, families=scenes))
        if len(sample) > _FIBRES * _SPECTROGRAPHS:
            raise ValueError(f"{len(sample)} targets do not fit on a plan; ask for more pixels.")
        coadd = observe(rng, LAMOST, sample)
        rows = _build_rows(rng, number, identity, sample, coadd)
        scale = _LEVEL * np.exp(rng.normal(0, _SCATTER, len(sample)))
        for row, values in enumerate(rows):
            lines.append("|".join(str(values[name]) for name in _COLUMNS))
            _write_spectrum(tree, values, coadd, row, scale[row], is_old=number % 2 == 0)
        targetid = np.array([values["obsid"] for values in rows], np.int64)
        own = replace(plan, survey="lamost", program=rows[0]["planid"], healpix=rows[0]["lmjd"])
        truths.append(make_truth(own, replace(identity, targetid=targetid), sample, coadd))
        progress(number + 1, len(plans))
    (tree / CATALOGUE).write_text("\n".join(lines) + "\n")
    return pa.concat_tables(truths)


def _build_rows(
    rng: np.random.Generator,
    number: int,
    identity: Identity,
    sample: list[Target],
    coadd: Coadd,
) -> list[dict]:
    """Return rows of the catalogue."""
    fitted = build_redshifts(rng, identity.targetid, sample, coadd)
    is_clear = fitted["ZWARN"] == 0
    rows = []
    for row, target in enumerate(sample):
        spectrograph, fibre = divmod(row, _FIBRES)
        kind = fitted["SPECTYPE"][row].decode()
        obsid = (_FIRST_PLAN + number) * 10**5 + (spectrograph + 1) * 1000 + fibre + 1
        ra, dec = float(identity.ra[row]), float(identity.dec[row])
        rows.append(
            {
                "obsid": obsid,
                "designation": f"LAMOST J{ra:.5f}{dec:+.5f}",
                "lmjd": _FIRST_LMJD + _DAYS * number,
                "planid": f"HD{_FIRST_PLAN + number}N30",
                "spid": spectrograph + 1,
                "fiberid": fibre + 1,
                "ra": round(ra, 6),
                "dec": round(dec, 6),
                "snri": round(float(coadd.snr[row]), 2),
                "class": kind if is_clear[row] else "Unknown",
                "z": round(float(fitted["Z"][row]), 8) if is_clear[row] else _NONE,
                "z_err": round(float(fitted["ZERR"][row]), 8) if is_clear[row] else _NONE,
                "fibertype": _FIBRE_TYPES.get(target.true_class, "Obj"),
            }
        )
    return rows


def _write_spectrum(
    tree: Path, values: dict, coadd: Coadd, row: int, scale: float, is_old: bool
) -> None:
    name = "spec-{lmjd}-{planid}_sp{spid:02d}-{fiberid:03d}.fits".format_map(values)
    header: fits.Header = {
        "TELESCOP": "LAMOST",
        "OBSID": values["obsid"],
        "PLANID": values["planid"],
        "LMJD": values["lmjd"],
        "MJD": values["lmjd"],
        "SPID": values["spid"],
        "FIBERID": values["fiberid"],
        "DESIG": values["designation"],
        "RA": values["ra"],
        "DEC": values["dec"],
        "FIBERTYP": values["fibertype"],
        "FIBERMAS": 0,
        "SNRI": values["snri"],
        "CLASS": values["class"],
        "Z": values["z"],
        "Z_ERR": values["z_err"],
        "VACUUM": True,
        "COEFF0": float(LAMOST.loglam[0]),
        "COEFF1": LOG10_STEP,
    }
    n = LAMOST.wave.size
    mask = coadd.mask[row].astype(np.float32)
    spectrum = (coadd.flux[row] * scale, coadd.ivar[row] / scale**2, LAMOST.wave, mask, mask)
    path = tree / values["planid"] / name
    if is_old:
        fits.write_image(path, header, np.array(spectrum, np.float32))
        return
    names = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
    layout = " ".join(f"{name}:{n}E" for name in names)
    table = fill_table(layout, 1, **dict(zip(names, spectrum, strict=True)))
    fits.write_tables(path, header, {"COADD": table})
