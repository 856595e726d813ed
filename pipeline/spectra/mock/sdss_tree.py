"""Writes a mock survey as SDSS publishes one: lite spec files by plate, and spAll."""

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
from pipeline.spectra.mock.spectrographs import BOSS, LOG10_STEP, observe
from pipeline.spectra.mock.survey import Progress, draw_sample, make_truth

RUN2D = "v5_13_0"
_FIBRES = 1000
_FIRST_PLATE, _FIRST_MJD, _DAYS = 4000, 55500, 7
# SPPIXMASK: no data in the combination.
_NODATA = 1 << 24
# ZWARNING of a fibre on the sky, and of one that is not plugged.
_SKY, _UNPLUGGED = 1 << 0, 1 << 7
# A_u to A_z over E(B-V) (Schlafly & Finkbeiner 2011, Table 6).
_EXTINCTION = np.array([4.239, 3.303, 2.285, 1.698, 1.263])
_COADD = "FLUX:E LOGLAM:E IVAR:E AND_MASK:J OR_MASK:J WDISP:E SKY:E MODEL:E"
_SPALL = (
    "PROGRAMNAME:9A CHUNK:8A PLATEQUALITY:4A SPECPRIMARY:B PLATE:J TILE:J MJD:J FIBERID:J RUN2D:7A "
    "RUN1D:7A OBJTYPE:16A PLUG_RA:D PLUG_DEC:D CLASS:6A SUBCLASS:21A Z:E Z_ERR:E RCHI2:E DOF:J "
    "RCHI2DIFF:E ZWARNING:J SN_MEDIAN_ALL:E EXTINCTION:5E THING_ID:J"
)
_OBJTYPES = {
    "quasar": "QSO",
    "galaxy": "GALAXY",
    "star": "STAR",
    "standard": "SPECTROPHOTO_STD",
    "sky": "SKY",
    "stuck": "SKY",
}


def write_sdss_tree(tree: Path, plans: list[ShardPlan], seed: int, progress: Progress) -> pa.Table:
    """Write ``spectra/lite/PLATE/spec-PLATE-MJD-FIBER.fits`` and ``spAll-RUN2D.fits``.

    Each shard is a plate, the last one eBOSS's; faults of DESI's arms are not planted. Quasars
    that two plates share are primary in the first.

    Raises
    ------
    ValueError
        If a plate would have more than its thousand fibres.
    """
    tables, truths, seen = [], [], set[tuple[float, float]]()
    refuse_members(plans)
    for number, plan in enumerate(plans):
        rng = np.random.default_rng(plan.seed)
        scenes = tuple(name for name in plan.families if FAMILIES[name].change_scene)
        identity, sample = draw_sample(rng, replace(plan, families=scenes))
        if len(sample) > _FIBRES:
            raise ValueError(f"{len(sample)} targets do not fit on a plate; ask for more pixels.")
        coadd = observe(rng, BOSS, sample)
        is_last = number == len(plans) - 1
        plate, mjd = _FIRST_PLATE + number, _FIRST_MJD + _DAYS * number
        table = _build_spall(rng, plan, identity, sample, coadd)
        table["PLATE"], table["MJD"] = plate, mjd
        table["PROGRAMNAME"] = "eboss" if is_last else "boss"
        table["CHUNK"] = "eboss1" if is_last else "boss1"
        places = list(zip(identity.ra.tolist(), identity.dec.tolist(), strict=True))
        table["SPECPRIMARY"] = [place not in seen for place in places]
        seen.update(places)
        _write_plate(tree / "spectra" / "lite" / f"{plate:04d}", table, coadd)
        tables.append(table)
        targetid = plate * 10**9 + mjd * 10**4 + table["FIBERID"].astype(np.int64)
        own = replace(plan, survey="sdss", program="eboss" if is_last else "boss", healpix=plate)
        truths.append(make_truth(own, replace(identity, targetid=targetid), sample, coadd))
        progress(number + 1, len(plans))
    fits.write_tables(tree / f"spAll-{RUN2D}.fits", {}, {"SPALL": np.concatenate(tables)})
    return pa.concat_tables(truths)


def _build_spall(
    rng: np.random.Generator,
    plan: ShardPlan,
    identity: Identity,
    sample: list[Target],
    coadd: Coadd,
) -> np.ndarray:
    """Return rows of spAll, which know nothing of the plate yet."""
    n = len(sample)
    fitted = build_redshifts(rng, identity.targetid, sample, coadd)
    kinds = np.array([target.true_class for target in sample])
    warning = fitted["ZWARN"] | np.where(np.isin(kinds, ("sky", "stuck")), _SKY, 0)
    dof = np.maximum(np.count_nonzero(coadd.ivar, axis=1), 1)
    extinction = plan.ebv * rng.normal(1.0, 0.03, n)
    return fill_table(
        _SPALL,
        n,
        PLATEQUALITY="good",
        FIBERID=np.arange(1, n + 1),
        RUN2D=RUN2D,
        RUN1D=RUN2D,
        OBJTYPE=[_OBJTYPES[kind] for kind in kinds.tolist()],
        PLUG_RA=identity.ra,
        PLUG_DEC=identity.dec,
        CLASS=fitted["SPECTYPE"],
        SUBCLASS=np.where(fitted["SPECTYPE"] == b"QSO", "BROADLINE", ""),
        Z=fitted["Z"],
        Z_ERR=fitted["ZERR"],
        RCHI2=1.0,
        DOF=dof,
        RCHI2DIFF=fitted["DELTACHI2"] / dof,
        ZWARNING=warning | np.where(coadd.is_dead, _UNPLUGGED, 0),
        SN_MEDIAN_ALL=coadd.snr,
        EXTINCTION=extinction[:, None] * _EXTINCTION,
    )


def _write_plate(folder: Path, table: np.ndarray, coadd: Coadd) -> None:
    for row in range(len(table)):
        plate, mjd, fibre = (int(table[name][row]) for name in ("PLATE", "MJD", "FIBERID"))
        header: fits.Header = {
            "TELESCOP": "SDSS 2.5-M",
            "PLATEID": plate,
            "MJD": mjd,
            "FIBERID": fibre,
            "PLUG_RA": float(table["PLUG_RA"][row]),
            "PLUG_DEC": float(table["PLUG_DEC"][row]),
            "RUN2D": RUN2D,
            "VACUUM": True,
            "COEFF0": float(BOSS.loglam[0]),
            "COEFF1": LOG10_STEP,
            "BUNIT": "1E-17 erg/cm^2/s/Ang",
        }
        spectrum = fill_table(
            _COADD,
            BOSS.wave.size,
            FLUX=coadd.flux[row],
            LOGLAM=BOSS.loglam,
            IVAR=coadd.ivar[row],
            AND_MASK=_NODATA * (coadd.mask[row] > 0),
            OR_MASK=_NODATA * (coadd.mask[row] > 0),
            WDISP=0.9,
            SKY=BOSS.sky_light,
        )
        name = f"spec-{plate:04d}-{mjd}-{fibre:04d}.fits"
        tables = {"COADD": spectrum, "SPALL": table[row : row + 1]}
        fits.write_tables(folder / name, header, tables)
