"""A finished model on other spectra: files and trees."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from lake_runs import find_model_id

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.apply import RESULT, apply
from pipeline.lake.store import Store, digest_rows
from pipeline.spectra.model.models import TRAITS


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
    # The population vouches for its own members, but for what lies at its ends.
    assert rows["domain_reason"].null_count >= rows.num_rows - 1
    assert b"Kolmogorov-Smirnov distance" in rows.schema.metadata[b"calibration"]
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


def test_source_that_is_not_there(lake: Store, config: Config, tmp_path: Path) -> None:
    away = config.model_copy(
        update={"run": config.run.model_copy(update={"source": str(tmp_path / "no")})}
    )
    with pytest.raises(UserError, match="no such file or folder"):
        apply(lake.root, away, find_model_id(lake, config), None)


def test_a_model_that_does_not_say_how_its_population_was_observed(
    lake: Store, config: Config
) -> None:
    model_id = find_model_id(lake, config)
    (lake.lake.model(model_id) / TRAITS).unlink()
    with pytest.raises(UserError, match=r"has no traits\.parquet; run `qad run`"):
        apply(lake.root, config, model_id, None)
