"""Significance in the lake: of every score, ranked, with its reason."""

import numpy as np
import pyarrow as pa
import pytest
from lake_runs import run_one

from catalog_schema.kinds import SPECTRA
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import NULL, SIGNIFICANCE
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.judge.null import make_null, weigh
from pipeline.judge.scores import read_scores
from pipeline.lake.store import Store, to_matrix
from pipeline.ledger.books import Ledger
from pipeline.settings.judge import CalibrateSettings

SETTINGS = CalibrateSettings()
NAMES = [statistic.name for statistic in STATISTICS]


def test_lake_has_the_significance_of_every_score(finished: Store, config: Config) -> None:
    rows = finished.read(finished.lake.table("significance"))
    scores = read_scores(start_run(finished, Config()))
    assert find_violations(rows, SIGNIFICANCE) == []
    assert rows["TARGETID"].to_pylist() == scores["TARGETID"].to_pylist()
    null_path = start_run(finished, config).find_path("null")
    null = finished.read(null_path)
    assert find_violations(null, NULL) == []
    # The run's own scores, weighed again against the population on disk, are the same.
    np.testing.assert_allclose(
        weigh(scores, null, SPECTRA, config.calibrate)["anomaly_score"].to_numpy(),
        null["anomaly_score"].to_numpy(),
        atol=1e-3,
    )


def test_rank_range_is_that_of_the_seeds_models(finished: Store, config: Config) -> None:
    rows = finished.read(finished.lake.table("significance"))
    scores = read_scores(start_run(finished, Config()))
    rank, low, high = (rows[f"score_rank{side}"].to_numpy() for side in ("", "_low", "_high"))
    assert sorted(rank) == list(range(1, len(rank) + 1))
    assert (np.diff(rows["anomaly_score"].to_numpy()[np.argsort(rank)]) <= 0).all()
    assert ((low <= rank) & (rank <= high)).all()
    assert (low < high).any()
    # The second seed's ranks, redone: each end of a range is the rank under one of the two.
    size = len(STATISTICS)
    second = to_matrix(scores["seed_statistics"])[:, size:]
    assert second.shape[1] == size * (config.train.seeds - 1)
    field = scores.schema.field("statistics")
    array = pa.FixedSizeListArray.from_arrays(pa.array(second.ravel()), type=field.type)
    scores = scores.set_column(scores.column_names.index("statistics"), field, array)
    core = scores.filter(pa.compute.equal(scores["parent"], "core"))
    again = weigh(scores, make_null(core, SPECTRA, config.calibrate), SPECTRA, config.calibrate)
    other = again["score_rank"].to_numpy()
    np.testing.assert_array_equal(low, np.minimum(rank, other))
    np.testing.assert_array_equal(high, np.maximum(rank, other))
    assert again["score_rank_low"].null_count == len(rank)


def test_calibration_is_made_once_and_again_when_its_settings_change(
    lake: Store, config: Config
) -> None:
    assert run_one(lake, config, "calibrate").skipped == 1
    changed = config.model_copy(
        update={"calibrate": config.calibrate.model_copy(update={"tail_fraction": 0.2})}
    )
    assert run_one(lake, changed, "calibrate").made == 1


def test_nothing_scored_is_one_line(lake: Store) -> None:
    Ledger(lake.lake.ledger).keep_only("score", [])
    with pytest.raises(UserError, match="nothing was scored"):
        read_scores(start_run(lake, Config()))


def spoil(scores: pa.Table, row: int, **values: float) -> pa.Table:
    """Return scores of which one row has other values of some statistics."""
    statistics = to_matrix(scores["statistics"]).copy()
    for name, value in values.items():
        statistics[row, NAMES.index(name)] = value
    column = scores.schema.get_field_index("statistics")
    array = pa.FixedSizeListArray.from_arrays(statistics.ravel(), len(NAMES))
    return scores.set_column(column, scores.schema.field(column).with_type(array.type), array)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chi2", 1e3),
        ("emission_4", 400.0),
        ("absorption_64", 400.0),
        ("power_32", 1e9),
        ("b_offset", -400.0),
        ("b_offset", 400.0),
        ("axis_0", -1e3),
    ],
)
def test_planted_outlier_gets_its_reason(finished: Store, name: str, value: float) -> None:
    scores = read_scores(start_run(finished, Config()))
    # Without other departures of its own, so that what is planted decides.
    quiet = dict.fromkeys(NAMES, np.nan)
    spoilt = spoil(scores, 7, **quiet | {name: value})
    rows = weigh(spoilt, make_null(scores, SPECTRA, SETTINGS), SPECTRA, SETTINGS)
    departures = to_matrix(rows["departures"])[7]
    assert abs(departures[NAMES.index(name)]) > 8
    assert np.count_nonzero(departures) == 1
    assert rows["reason"][7].as_py() == STATISTICS[NAMES.index(name)].reason


def test_low_values_are_strange_only_where_both_sides_are(finished: Store) -> None:
    scores = read_scores(start_run(finished, Config()))
    null = make_null(scores, SPECTRA, SETTINGS)
    base = weigh(scores, null, SPECTRA, SETTINGS)["anomaly_score"][7].as_py()
    low = weigh(spoil(scores, 7, emission_4=-400.0, chi2=1e-3), null, SPECTRA, SETTINGS)
    assert low["anomaly_score"][7].as_py() <= base
    signed = weigh(spoil(scores, 7, slope=-400.0), null, SPECTRA, SETTINGS)
    assert signed["anomaly_score"][7].as_py() > base


def test_each_reason_adds_to_the_score(finished: Store) -> None:
    """However far out one statistic lies, one of another reason can still be told."""
    scores = read_scores(start_run(finished, Config()))
    null = make_null(scores, SPECTRA, SETTINGS)
    far, farther, both = (
        weigh(spoil(scores, 7, **values), null, SPECTRA, SETTINGS)["anomaly_score"][7].as_py()
        for values in ({"iron": 1e3}, {"iron": 1e6}, {"iron": 1e6, "slope": 1e6})
    )
    assert far <= farther < both


def test_infinite_statistic_breaks_nothing(finished: Store) -> None:
    scores = read_scores(start_run(finished, Config()))
    spoilt = spoil(scores, 3, chi2=3e38, emission_1=1e30, iron=-1e30)
    rows = weigh(spoilt, make_null(spoilt, SPECTRA, SETTINGS), SPECTRA, SETTINGS)
    assert find_violations(rows, SIGNIFICANCE) == []
    base = weigh(scores, make_null(scores, SPECTRA, SETTINGS), SPECTRA, SETTINGS)
    assert rows["anomaly_score"][3].as_py() > base["anomaly_score"][3].as_py()
