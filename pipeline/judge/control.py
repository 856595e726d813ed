"""Stage `control`: how sky fibres, stars and galaxies would have been graded as quasars."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import CONTROLS, JUDGED, ROW_KEY
from catalog_schema.vocabulary import Parent
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.shards import Report, find_finished
from pipeline.judge import calibrate, grade
from pipeline.judge.grade import read_limits, to_p_values
from pipeline.judge.science.grades import take_strictest
from pipeline.lake.store import Store, columns_to_table, make_fingerprint

STAGE = "control"
REVISION = 3

_CARRIED = (*ROW_KEY, "control", "Z", "snr")


def control(store: Store, config: Config) -> Report:
    """Grade every negative control as if it had been taken for a quasar.

    A sky fibre or a noise-like spectrum in a tier is a leak; a star or a galaxy in a tier is what
    the score is for.

    Parameters
    ----------
    store : Store
        Reads `scores`, `judged`, `classes` and `tiers`; writes `controls`.
    config : Config

    Returns
    -------
    Report
        Of the dataset `controls`.
    """
    planned = plan(store, config)
    if finished := find_finished(store, CONTROLS.name, planned):
        return finished
    [(path, fingerprint)] = planned.items()
    rows = _grade(store)
    n = rows.num_rows
    store.write(path, rows, CONTROLS, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(CONTROLS.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    inputs = list(grade.plan(store, config).values())
    fingerprint = make_fingerprint(STAGE, REVISION, [], inputs)
    return {store.lake.table(CONTROLS.name): fingerprint}


def _grade(store: Store) -> pa.Table:
    scores = calibrate.read_scores(store)
    order = [(name, "ascending") for name in JUDGED.key]
    controls = scores.filter(pc.field("parent") == Parent.CONTROL.value).sort_by(order)
    classes = store.read(store.lake.table(JUDGED.name)).sort_by(order)
    if not classes.select(ROW_KEY).equals(controls.select(ROW_KEY)):
        raise UserError(
            f"{store.root}: classes and scores are of different controls; run `qad run` again"
        )
    columns = {
        **{name: controls[name] for name in _CARRIED},
        **{name: classes[name] for name in JUDGED.names if name not in ROW_KEY},
        "tier": take_strictest(to_p_values(classes), read_limits(store)),
    }
    return columns_to_table(CONTROLS, columns)
