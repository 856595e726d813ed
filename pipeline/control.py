"""Stage `control`: how sky fibres, stars and galaxies would have been graded as quasars."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CONTROL_CLASSES, CONTROLS, TIERS, arrow_schema
from catalog_schema.vocabulary import Parent, Tier
from pipeline import calibrate, classify
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.shards import Report
from pipeline.store import Store, columns_to_table, make_fingerprint

STAGE = "control"
REVISION = 2

_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_CARRIED = (*_KEY, "control", "Z", "snr")
_STRICTEST_FIRST = (Tier.GOLD, Tier.SILVER, Tier.BRONZE)


def control(store: Store, config: Config) -> Report:
    """Compare every negative control with the normal quasars, as if it had been taken for one.

    A sky fibre or a noise-like spectrum in a tier is a leak; a star or a galaxy in a tier is what
    the score is for.

    Parameters
    ----------
    store : Store
        Reads `scores`, the model's `null`, `tiers` and `control_classes`; writes `controls`.
    config : Config
        Reads ``calibrate``.

    Returns
    -------
    Report
        Of the dataset `controls`.
    """
    [(path, fingerprint)] = plan(store, config).items()
    done = store.find_done(path, fingerprint)
    if done:
        return Report(CONTROLS.name, skipped=1, n_expected=done.n_made, n_made=done.n_made)
    scores = calibrate.read_scores(store)
    controls = scores.filter(pc.field("parent") == Parent.CONTROL.value)
    rows = _compare(store, config, controls)
    n = rows.num_rows
    store.write(path, rows, CONTROLS, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(CONTROLS.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    # What decides tiers and classes decides this table.
    inputs = [*calibrate.plan(store, config).values(), *classify.plan(store, config).values()]
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], inputs)
    return {store.lake.table(CONTROLS.name): fingerprint}


def find_tiers(p_values: NDArray, tiers: pa.Table) -> NDArray[np.str_]:
    """Return the strictest tier whose largest p-value each p-value does not exceed, shape (n,)."""
    grades, known = tiers["tier"].to_numpy().astype(str), tiers["p_value"].to_numpy()
    limits = [known[grades == tier.value].max(initial=-1.0) for tier in _STRICTEST_FIRST]
    limits = np.maximum.accumulate(limits).tolist()
    return np.select([p_values <= limit for limit in limits],
                     [tier.value for tier in _STRICTEST_FIRST],
                     default=Tier.NONE.value)  # fmt: skip


def _compare(store: Store, config: Config, controls: pa.Table) -> pa.Table:
    if not controls.num_rows:
        return arrow_schema(CONTROLS).empty_table()
    order = [(name, "ascending") for name in CONTROL_CLASSES.key]
    controls = controls.sort_by(order)
    classes = store.read(store.lake.table(CONTROL_CLASSES.name)).sort_by(order)
    if not classes.select(_KEY).equals(controls.select(_KEY)):
        raise UserError(f"{store.root}: classes and scores are of different controls; "
                        "run `qad run` again")  # fmt: skip
    null_path = next(iter(calibrate.plan(store, config)))
    _, score, p_values = calibrate.compare(controls, store.read(null_path), config.calibrate)
    columns = {
        **{name: controls[name] for name in _CARRIED},
        "anomaly_score": score,
        "p_value": p_values,
        "tier": find_tiers(p_values, store.read(store.lake.table(TIERS.name))),
        **{name: classes[name] for name in CONTROL_CLASSES.names if name not in _KEY},
    }
    return columns_to_table(CONTROLS, columns)
