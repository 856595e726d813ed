"""What the QSO afterburners say: the MgII fitter and QuasarNet."""

import numpy as np

from catalog_schema.lines import STRONG, waves
from pipeline.spectra.mock import columns
from pipeline.spectra.mock.fibermap import WISE_VAR_QSO
from pipeline.spectra.mock.observe import Coadd, Target


def build_afterburners(
    rng: np.random.Generator,
    fibermap: np.ndarray,
    redshifts: np.ndarray,
    targets: list[Target],
    coadd: Coadd,
) -> tuple[np.ndarray, np.ndarray]:
    """Tables MGII and QN_RR: QSO and WISE-variable targets, and what Redrock calls QSO."""
    is_science = fibermap["OBJTYPE"] == b"TGT"
    is_selected = fibermap["FA_TARGET"] & 4 > 0
    if "SCND_TARGET" in (fibermap.dtype.names or ()):
        is_selected |= fibermap["SCND_TARGET"] & WISE_VAR_QSO > 0
    chosen = np.flatnonzero(is_science & (is_selected | (redshifts["SPECTYPE"] == b"QSO")))
    sample = [targets[row] for row in chosen]
    is_quasar = np.array([target.true_class == "quasar" for target in sample], dtype=bool)
    z_true = np.array([target.z_true for target in sample])
    seen = is_quasar & (coadd.snr[chosen] > 0.5) & ~coadd.is_dead[chosen]
    common = {
        "TARGETID": fibermap["TARGETID"][chosen],
        "RA": fibermap["TARGET_RA"][chosen],
        "DEC": fibermap["TARGET_DEC"][chosen],
        "Z_RR": redshifts["Z"][chosen],
        "DESI_TARGET": fibermap["DESI_TARGET"][chosen],
        "SPECTYPE": redshifts["SPECTYPE"][chosen],
    }
    mgii = _build_mgii(rng, common, redshifts[chosen], z_true, seen)
    is_wrong = np.array([target.family == "wrong_redshift" for target in sample], dtype=bool)
    return mgii, _build_quasarnet(rng, common, redshifts[chosen], z_true, seen, is_wrong)


def _build_mgii(
    rng: np.random.Generator,
    common: dict[str, np.ndarray],
    redshifts: np.ndarray,
    z_true: np.ndarray,
    seen: np.ndarray,
) -> np.ndarray:
    n = seen.size
    right = np.abs(redshifts["Z"] - z_true) < 0.01 * (1 + z_true)
    found = seen & right & (z_true > 0.4) & (z_true < 2.4) & (rng.random(n) < 0.85)
    return columns.fill_table(
        columns.MGII,
        n,
        **common,
        ZERR=redshifts["ZERR"],
        IS_QSO_MGII=found,
        DELTA_CHI2=np.where(found, rng.uniform(20, 900, n), rng.uniform(0, 16, n)),
        A=np.where(found, rng.lognormal(0.2, 0.6, n), rng.normal(0, 0.2, n)),
        SIGMA=np.where(found, rng.uniform(12, 80, n), rng.uniform(1, 9, n)),
        B=rng.lognormal(0.3, 0.8, n),
        VAR_A=rng.uniform(0.001, 0.05, n),
        VAR_SIGMA=rng.uniform(0.1, 9.0, n),
        VAR_B=rng.uniform(0.001, 0.05, n),
    )


def _build_quasarnet(
    rng: np.random.Generator,
    common: dict[str, np.ndarray],
    redshifts: np.ndarray,
    z_true: np.ndarray,
    seen: np.ndarray,
    is_wrong: np.ndarray,
) -> np.ndarray:
    n = seen.size
    lines = np.array(waves(*STRONG, "halpha"))
    observed = lines * (1 + z_true[:, None])
    visible = (observed > 3650) & (observed < 9800)
    # A planted wrong redshift stays wrong: the network is not sure enough to replace it.
    sure = np.where(seen & ~is_wrong, rng.beta(40, 1, n), rng.uniform(0.05, 0.6, n))
    confidence = np.where(visible, sure[:, None], 0.02) * rng.uniform(0.93, 1.0, (n, 6))
    confidence[np.arange(n), np.argmax(visible, axis=1)] = sure
    z_network = z_true[:, None] + 0.004 * (1 + z_true[:, None]) * rng.standard_normal((n, 6))
    best = z_network[np.arange(n), np.argmax(confidence, axis=1)]
    refitted = (sure > 0.5) & (np.abs(best - redshifts["Z"]) > 0.05) & seen
    z_new = z_true + redshifts["ZERR"] * rng.standard_normal(n)
    per_line = {f"C_{line}": confidence[:, at] for at, line in enumerate(columns.QN_LINES)}
    per_line |= {f"Z_{line}": z_network[:, at] for at, line in enumerate(columns.QN_LINES)}
    return columns.fill_table(
        columns.QN_RR,
        n,
        **common,
        Z_NEW=np.where(refitted, z_new, redshifts["Z"]),
        ZERR_NEW=redshifts["ZERR"],
        COEFFS=redshifts["COEFF"],
        Z_QN=best,
        IS_QSO_QN_NEW_RR=refitted,
        **per_line,
    )
