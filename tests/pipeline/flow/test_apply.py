"""A finished model on other spectra: files and trees."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_runs import find_model_id

from catalog_schema.spectra import WAIST
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.apply import RESULT, apply
from pipeline.judge.foreign import withhold_tiers
from pipeline.judge.science.domain import Domain
from pipeline.lake.store import Store, digest_rows


def test_own_tree_gets_its_own_scores(lake: Store, config: Config) -> None:
    model_id = find_model_id(lake, config)
    path, reports = apply(lake.root, config, model_id, None)
    assert path.name == RESULT
    assert all(report.failed == () for report in reports)
    rows = pq.read_table(path).sort_by("TARGETID")
    assert rows.num_rows == 45
    for dataset, name in (
        ("significance", "anomaly_score"),
        ("significance", "p_value"),
        ("classes", "joint_p_value"),
        ("classes", "log_odds"),
        ("tiers", "q_value"),
    ):
        own = lake.read(lake.lake.table(dataset)).sort_by("TARGETID")
        found, known = (
            table[name].to_numpy(zero_copy_only=False).astype(float) for table in (rows, own)
        )
        np.testing.assert_allclose(found, known, rtol=1e-3, atol=1e-3)
    assert rows["tier"].to_pylist() == own["tier"].to_pylist()
    told = reports[-2].notes
    path.unlink()
    again, reports = apply(lake.root, config, model_id, None)
    assert again == path
    # What is done is laid out again, and told again how far it holds.
    laid_out = pq.read_table(path).sort_by("TARGETID")
    assert laid_out.schema.equals(rows.schema, check_metadata=True)
    assert digest_rows(laid_out) == digest_rows(rows)
    assert reports[-2].notes == told != ()
    assert reports[3].made == reports[4].made == 0


@pytest.mark.parametrize(
    ("n_low", "n", "n_outside", "words", "n_left"),
    [
        (4, 5, 0, "does not hold: 4 of 5", 0),
        (0, 5, 0, "not verified: 0 of 5", 0),
        (3, 40, 0, "as expected: 3 of 40", 40),
        (3, 40, 2, "2 spectra are outside", 38),
    ],
)
def test_tiers_are_given_where_the_population_vouches(
    n_low: int, n: int, n_outside: int, words: str, n_left: int
) -> None:
    is_outside = np.arange(n) < n_outside
    tiers = pa.table({"TARGETID": np.arange(n), "tier": ["gold"] * n})
    given, notes = withhold_tiers(tiers, Domain(is_outside, n_low, n), WAIST)
    assert given["tier"].to_pylist().count("gold") == n_left
    assert given["tier"].to_pylist().count("none") == n - n_left
    assert words in "; ".join(notes)


def test_source_that_is_not_there(lake: Store, config: Config, tmp_path: Path) -> None:
    away = config.model_copy(
        update={"run": config.run.model_copy(update={"source": str(tmp_path / "no")})}
    )
    with pytest.raises(UserError, match="no such file or folder"):
        apply(lake.root, away, find_model_id(lake, config), None)
