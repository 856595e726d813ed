"""Negative controls travel through every stage and change nothing of the quasars."""

from pathlib import Path

import pyarrow.compute as pc
import pytest
from desi_tree import join_rows, make_rows, write_survey
from lake_runs import SMALL, find_model_id, read_all

from pipeline.config import load_config
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger

KINDS = ("sky", "galaxy")


def run(root: Path, source: Path, fraction: float) -> tuple[Store, str]:
    """Run every stage with this fraction of the controls; return the lake and the model's id."""
    store = Root(root)
    shares = [f"target.{kind}_fraction={fraction}" for kind in KINDS]
    config = load_config(None, [*SMALL, *shares], source=str(source))
    with store.lock():
        run_stages(store, config, lambda *_: None)
    return store, find_model_id(store, config)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Store, str]]:
    """The same survey with and without its 14 controls, all but 2 in a shard of their own."""
    place = tmp_path_factory.mktemp("controls")
    rows = join_rows(
        make_rows(30),
        make_rows(15, 1001, HEALPIX=205),
        make_rows(2, 2001, OBJTYPE="SKY", ZWARN=4, Z=0.4),
        make_rows(12, 3001, SPECTYPE="GALAXY", HEALPIX=206, Z=0.4),
    )
    write_survey(place / "dr1", rows)
    return [run(place / name, place / "dr1", share) for name, share in (("all", 1.0), ("no", 0.0))]


def test_controls_are_scored_and_neither_graded_nor_published(runs: list) -> None:
    store, model_id = runs[0]
    scores = read_all(store, "scores")
    controls = scores.filter(pc.field("parent") == "control")
    assert sorted(controls["control"].to_pylist()) == ["galaxy"] * 12 + ["sky"] * 2
    assert scores.num_rows == 59
    assert pc.all(pc.is_valid(controls["chi2"])).as_py()
    tiers = store.read(store.lake.table("tiers"))
    null = store.read(store.lake.model(model_id) / "null.parquet")
    assert tiers.num_rows == null.num_rows == 45
    for rows in (tiers, null, read_all(store, "reconstructions")):
        assert max(rows["TARGETID"].to_pylist()) < 2001


def test_controls_have_classes_of_their_own(runs: list) -> None:
    store, _ = runs[0]
    controls = store.read(store.lake.table("controls")).to_pandas()
    assert len(controls) == 14
    is_classified = controls["class_state"] == "classified"
    assert is_classified.any()
    assert (controls["joint_p_value"].notna() == is_classified).all()
    assert (controls["anomaly_class"].notna() == is_classified).all()
    assert max(store.read(store.lake.table("classes"))["TARGETID"].to_pylist()) < 2001


def test_controls_change_no_score_of_the_quasars(runs: list) -> None:
    (with_controls, _), (without, _) = runs
    one, other = (store.read(store.lake.table("significance")) for store, _ in runs)
    assert one.equals(other)
    names = ["TARGETID", "chi2", "kl_divergence", "isolation_score", "latent"]
    scores = read_all(with_controls, "scores").filter(pc.field("parent") == "core")
    assert scores.select(names).equals(read_all(without, "scores").select(names))


def test_every_row_is_accounted_for(runs: list) -> None:
    outcomes = Ledger(runs[0][0].lake.ledger).outcomes()
    assert all(outcome.imbalance == 0 for outcome in outcomes)
    assert sum(o.n_made for o in outcomes if o.stage == "score") == 59
