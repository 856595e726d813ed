"""FIBERMAP and EXP_FIBERMAP of a shard: photometry, target bits, exposures, fibre status."""

import numpy as np

from pipeline.spectra.mock import columns
from pipeline.spectra.mock.identity import Identity
from pipeline.spectra.mock.observe import Coadd, Target
from pipeline.spectra.mock.scene import band_fluxes

_TARGET_BITS = {  # DESI_TARGET
    "quasar": 1 << 2 | 1 << 18,
    "galaxy": 1 << 0 | 1 << 16,
    "star": 1 << 2 | 1 << 18,
    "standard": 1 << 33,
    "sky": 1 << 32,
    "stuck": 0,
}
_ELG, _SECONDARY = 1 << 1, 1 << 62
WISE_VAR_QSO = 1 << 35  # SCND_TARGET
# Share of a class that was selected for another reason, and its DESI_TARGET.
_OTHER_REASONS = (
    ("quasar", 0.03, _ELG),
    ("quasar", 0.03, _SECONDARY),
    ("galaxy", 0.10, 1 << 2 | 1 << 18),
    ("star", 0.50, 1 << 61),
)
_BAD_STATUS = (1 << 9, 1 << 10, 1 << 16, 1 << 22, 1 << 23, 1 << 24)


def draw_fiberstatus(rng: np.random.Generator, targets: list[Target], coadd: Coadd) -> np.ndarray:
    """Draw the true COADD_FIBERSTATUS (n,): 2 % bad, 4 % restricted in reach, the rest good."""
    n = len(targets)
    chance = rng.random(n)
    bad = rng.choice(_BAD_STATUS, n)
    status = np.where(chance < 0.02, bad, np.where(chance > 0.96, 1 << 3, 0))
    is_stuck = np.array([target.true_class == "stuck" for target in targets])
    status = np.where(coadd.is_dead & ~is_stuck, 1 << 16, status)
    return np.where(is_stuck, 1, status).astype(np.int32)


def build_exposures(
    rng: np.random.Generator,
    survey: str,
    tile: int,
    identity: Identity,
    targets: list[Target],
    status: np.ndarray,
) -> np.ndarray:
    """EXP_FIBERMAP: one row per target and exposure; bad bits differ between exposures."""
    counts = np.array([target.conditions.n_exposures for target in targets])
    row = np.repeat(np.arange(len(targets)), counts)
    visit = np.concatenate([np.arange(count) for count in counts])
    exptime = np.array([t.conditions.exptime / t.conditions.n_exposures for t in targets])
    petal, device = rng.integers(0, 10, len(targets)), rng.integers(0, 524, len(targets))
    fibre = 500 * petal + rng.permutation(len(targets)) % 500
    day = {"sv3": 59311, "main": 59400}[survey] + 7 * visit + tile % 300
    x, y = rng.uniform(-400, 400, (2, len(targets)))
    offset = rng.normal(0, 0.008, (2, row.size))
    scatter = rng.normal(0, 0.1 / 3600, (2, row.size))
    stretch = np.cos(np.radians(identity.dec[row]))
    return columns.fill_table(
        columns.EXP_FIBERMAP,
        row.size,
        TARGETID=identity.targetid[row],
        PRIORITY=np.where(identity.targetid[row] > 0, 3400, -1),
        SUBPRIORITY=rng.random(len(targets))[row],
        NIGHT=_nights(day),
        EXPID=80000 + 12 * (tile % 1000) + visit,
        MJD=day + 0.2 + 0.013 * visit,
        TILEID=tile + visit,
        EXPTIME=exptime[row],
        PETAL_LOC=petal[row],
        DEVICE_LOC=device[row],
        LOCATION=(1000 * petal + device)[row],
        FIBER=fibre[row],
        FIBERSTATUS=np.where((status[row] > 8) & (visit % 2 == 1), 2 * status[row], status[row]),
        FIBERASSIGN_X=x[row],
        FIBERASSIGN_Y=y[row],
        LAMBDA_REF=np.full(row.size, 5400.0),
        PLATE_RA=identity.ra[row],
        PLATE_DEC=identity.dec[row],
        NUM_ITER=np.full(row.size, 2),
        FIBER_X=x[row] + offset[0],
        FIBER_Y=y[row] + offset[1],
        DELTA_X=offset[0],
        DELTA_Y=offset[1],
        FIBER_RA=identity.ra[row] + scatter[0] / stretch,
        FIBER_DEC=identity.dec[row] + scatter[1],
        PSF_TO_FIBER_SPECFLUX=rng.normal(0.78, 0.02, row.size),
    )


def build_fibermap(
    rng: np.random.Generator,
    survey: str,
    program: str,
    identity: Identity,
    targets: list[Target],
    exposures: np.ndarray,
    is_dead: np.ndarray,
    ebv: float,
) -> np.ndarray:
    """FIBERMAP: photometry from the true spectra, target bits, and summaries of the exposures."""
    n = len(targets)
    kinds = np.array([target.true_class for target in targets])
    is_sky = np.isin(kinds, ("sky", "stuck"))
    layout = columns.FIBERMAP_SV3 if survey == "sv3" else columns.FIBERMAP_MAIN
    table = columns.fill_table(
        layout,
        n,
        TARGETID=identity.targetid,
        TARGET_RA=identity.ra,
        TARGET_DEC=identity.dec,
        PLATE_RA=identity.ra,
        PLATE_DEC=identity.dec,
        REF_EPOCH=np.where(is_sky, 0.0, 2015.5),
        FA_TYPE=np.select([kinds == "sky", kinds == "standard", ~is_sky], [4, 2, 1], 0),
        OBJTYPE=np.where((kinds == "stuck") & is_dead, "", np.where(is_sky, "SKY", "TGT")),
        SUBPRIORITY=rng.random(n),
        OBSCONDITIONS=np.where(is_sky, 63, 1),
        RELEASE=np.where(kinds == "stuck", 0, 9010),
        BRICKID=np.where(kinds == "stuck", 0, identity.targetid >> 22 & 0xFFFFF),
        BRICK_OBJID=np.where(kinds == "stuck", 0, identity.targetid & 0x3FFFFF),
        BRICKNAME=_brick_names(identity, kinds),
        MORPHTYPE=np.select([is_sky, kinds == "galaxy"], ["", "EXP"], "PSF"),
        EBV=np.where(is_sky, 0.0, ebv * rng.normal(1.0, 0.03, n)),
        PHOTSYS=np.where(is_sky, "", np.where(identity.dec > 32.4, "N", "S")),
        PRIORITY_INIT=np.where(is_sky, -1, 3400),
        NUMOBS_INIT=np.where(is_sky, -1, 4),
        SHAPE_R=np.where(kinds == "galaxy", rng.uniform(0.4, 1.5, n), 0.0),
        SERSIC=np.where(kinds == "galaxy", 1.0, 0.0),
    )
    _add_photometry(rng, table, targets, is_sky)
    _add_target_bits(rng, table, survey, program, kinds)
    _add_selections(table, survey, targets)
    _add_exposure_summaries(table, exposures, is_dead)
    return table


def _add_photometry(
    rng: np.random.Generator, table: np.ndarray, targets: list[Target], is_sky: np.ndarray
) -> None:
    true = band_fluxes(np.stack([target.flux for target in targets]))
    is_quasar = np.array([target.true_class == "quasar" for target in targets])
    infrared = true[:, 2] * 10 ** rng.normal(np.where(is_quasar, 0.35, 0.1), 0.15)
    bands = {"G": true[:, 0], "R": true[:, 1], "Z": true[:, 2]}
    bands |= {"W1": infrared, "W2": infrared * np.where(is_quasar, 1.3, 0.7)}
    depth = {"G": 900.0, "R": 350.0, "Z": 60.0, "W1": 3.0, "W2": 0.8}
    for band, flux in bands.items():
        ivar = np.where(is_sky, 0.0, depth[band] * rng.uniform(0.7, 1.3, flux.size))
        noise = rng.standard_normal(flux.size) / np.sqrt(np.maximum(ivar, 1e-3))
        table[f"FLUX_{band}"] = np.where(is_sky, 0.0, flux + noise)
        table[f"FLUX_IVAR_{band}"] = ivar
        if band in "GRZ":
            for name in ("FIBERFLUX", "FIBERTOTFLUX"):
                table[f"{name}_{band}"] = 0.78 * table[f"FLUX_{band}"]
    bright = true[:, 1] > 10 ** (0.4 * (22.5 - 20.5))
    magnitude = 22.5 - 2.5 * np.log10(np.maximum(true, 1e-3))
    for name, at in (("G", 1), ("BP", 0), ("RP", 2)):
        table[f"GAIA_PHOT_{name}_MEAN_MAG"] = np.where(bright, magnitude[:, at], 0.0)
    table["REF_CAT"] = np.where(bright, "G2", "")
    table["REF_ID"] = np.where(bright, rng.integers(10**18, 4 * 10**18, bright.size), 0)


def _add_target_bits(
    rng: np.random.Generator, table: np.ndarray, survey: str, program: str, kinds: np.ndarray
) -> None:
    bits = np.array([_TARGET_BITS[kind] for kind in kinds])
    for kind, share, other in _OTHER_REASONS:
        bits = np.where((kinds == kind) & (rng.random(bits.size) < share), other, bits)
    is_science = ~np.isin(kinds, ("sky", "stuck"))
    if program == "bright":
        # Bright time observes bright galaxies in place of emission-line galaxies.
        bits = np.where(is_science, bits & ~_ELG | 1 << 60, bits)
        table["BGS_TARGET"] = np.where(is_science, 1 << 1, 0)
    table["FA_TARGET"] = bits
    if survey == "main":
        table["SCND_TARGET"] = np.where(bits & _SECONDARY > 0, WISE_VAR_QSO, 0)
    if survey == "sv3":
        table["SV3_DESI_TARGET"] = np.where(is_science, bits, 0)
        bits = np.where(is_science, 0, bits)
    table["DESI_TARGET"] = bits


def _add_selections(table: np.ndarray, survey: str, targets: list[Target]) -> None:
    # What a member of a population was selected as, in place of what its class would be.
    prefix = "" if survey == "main" else f"{survey.upper()}_"
    for row, target in enumerate(targets):
        if target.selection is not None:
            table["FA_TARGET"][row] = target.selection.desi
            for kind, bits in zip(("DESI", "BGS", "MWS"), target.selection, strict=True):
                table[f"{prefix}{kind}_TARGET"][row] = bits


def _add_exposure_summaries(table: np.ndarray, exposures: np.ndarray, is_dead: np.ndarray) -> None:
    starts = np.flatnonzero(np.r_[True, np.diff(exposures["TARGETID"]) != 0])
    counts = np.diff(np.r_[starts, exposures.size])
    used = ~is_dead
    # The bug of DR1's coadds: bits that differ between exposures are lost by the AND.
    table["COADD_FIBERSTATUS"] = np.bitwise_and.reduceat(exposures["FIBERSTATUS"], starts)
    table["COADD_NUMEXP"] = counts * used
    table["COADD_EXPTIME"] = np.add.reduceat(exposures["EXPTIME"], starts) * used
    table["COADD_NUMNIGHT"] = counts * used
    table["COADD_NUMTILE"] = counts * used
    for axis, name in (("X", "RA"), ("Y", "DEC")):
        for column in (f"DELTA_{axis}", f"FIBER_{name}"):
            mean = np.add.reduceat(exposures[column], starts) / counts
            spread = exposures[column] - np.repeat(mean, counts)
            rms = np.sqrt(np.add.reduceat(spread**2, starts) / counts)
            table[f"MEAN_{column}"] = mean
            if column.startswith("DELTA"):
                table[f"RMS_{column}"] = np.hypot(rms, mean)
            else:
                table[f"STD_{column}"] = rms * 3600
    mean = np.add.reduceat(exposures["PSF_TO_FIBER_SPECFLUX"], starts) / counts
    table["MEAN_PSF_TO_FIBER_SPECFLUX"] = mean * used


def _brick_names(identity: Identity, kinds: np.ndarray) -> np.ndarray:
    names = [
        f"{int(ra * 10):04d}{'p' if dec >= 0 else 'm'}{int(abs(dec) * 10):03d}"
        for ra, dec in zip(identity.ra, identity.dec, strict=True)
    ]
    return np.where(kinds == "stuck", "", names)


def _nights(day: np.ndarray) -> np.ndarray:
    date = np.datetime64("1858-11-17") + day.astype("timedelta64[D]")
    return np.array([int(str(night).replace("-", "")) for night in date])
