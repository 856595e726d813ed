"""Classes on their way through the lake: accounted for, explained, never silent."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import find_model_id, read_all, run_one

from catalog_schema.kinds import SPECTRA
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import CLASSES, EVIDENCE, JUDGED, MEASURED, NORMS, TAXONOMY
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.judge.classify import choose_strange
from pipeline.judge.science.grades import find_q_values
from pipeline.lake.store import Store, to_matrix
from pipeline.settings.judge import ClassifySettings
from pipeline.spectra.model import models


def test_tables_keep_the_schema(finished: Store, config: Config) -> None:
    for table in (CLASSES, JUDGED, EVIDENCE):
        assert find_violations(finished.read(finished.lake.table(table.name)), table) == []
    folder = finished.lake.model(find_model_id(finished, config))
    for path, table in ((models.NORMS, NORMS), (models.TAXONOMY, TAXONOMY)):
        assert find_violations(finished.read(folder / path), table) == []
    measured = read_all(finished, MEASURED.name)
    assert find_violations(measured, MEASURED) == []
    assert np.isfinite(to_matrix(measured["measured"])).any(axis=1).all()


def test_every_quasar_has_a_class_or_a_reason(finished: Store, config: Config) -> None:
    rows = finished.read(finished.lake.table("classes")).to_pandas()
    graded = finished.read(finished.lake.table("significance")).to_pandas()
    assert rows["TARGETID"].tolist() == graded["TARGETID"].tolist()
    classified = rows["class_state"] == "classified"
    assert classified.any()
    assert (rows["anomaly_class"].notna() == classified).all()
    assert (rows["artefact_probability"].notna() == classified).all()
    assert (rows["joint_p_value"].notna() == classified).all()
    probability = np.stack(rows["class_probabilities"])
    np.testing.assert_allclose(probability[classified].sum(1), 1, atol=1e-5)
    assert np.isnan(probability[~classified]).all()
    names, given = np.array(SPECTRA.waist.classes.values()), probability[classified]
    best = names[given.argmax(1)]
    is_plain = np.isin(best, ["normal", "unknown"])
    p_values = np.where(is_plain, graded["p_value"][classified], 1.0)
    is_found = find_q_values(p_values) <= config.classify.ordinary_level
    named = rows["anomaly_class"][classified]
    # What is found although normal has the next name or none, everything else the likeliest one.
    second = names[np.where(names == "normal", -1, given).argmax(1)]
    is_odd = is_found & (best == "normal")
    assert np.where(is_odd, (named == second) | (named == "unknown"), named == best).all()


def test_evidence_rejoins_the_catalogue(lake: Store, config: Config) -> None:
    # Where most spectra are expected to be strange, some are called so.
    settings = config.classify.model_copy(update={"anomalous_share": 0.99})
    assert run_one(lake, config.model_copy(update={"classify": settings}), "classify").made == 1
    evidence = lake.read(lake.lake.table("evidence")).to_pandas()
    classes = lake.read(lake.lake.table("classes")).to_pandas().set_index("TARGETID")
    assert len(evidence)
    known = {*(s.name for s in STATISTICS), *(m.name for m in MEASUREMENTS)}
    assert set(evidence["feature"]) <= known
    assert (classes.loc[evidence["TARGETID"], "class_state"] == "classified").all()
    odd = classes.index[classes["anomaly_class"].fillna("normal") != "normal"]
    assert set(odd) <= set(evidence["TARGETID"])
    assert (evidence.groupby("TARGETID").size() <= config.classify.evidence).all()


def test_made_once_and_to_the_same_bits(lake: Store, config: Config) -> None:
    assert (
        run_one(lake, config, "measure").skipped,
        run_one(lake, config, "classify").skipped,
    ) == (2, 1)
    path = lake.lake.table("classes")
    before = lake.read_stamp(path).content
    path.unlink()
    assert run_one(lake, config, "classify").made == 1
    assert lake.read_stamp(path).content == before


@given(n=st.integers(0, 40), most=st.integers(2, 50), seed=st.integers(0, 99))
def test_clusters_are_sought_among_the_strangest(n: int, most: int, seed: int) -> None:
    settings = ClassifySettings(cluster_candidates=most, cluster_p_value=0.4)
    p_values = np.random.default_rng(seed).integers(0, 20, n) / 20
    rows = choose_strange(p_values, settings)
    below = np.flatnonzero(p_values < 0.4)
    assert len(rows) == min(most, len(below))
    assert set(rows) <= set(below)
    assert (np.diff(rows) > 0).all()
    left = np.setdiff1d(below, rows)
    assert p_values[rows].max(initial=0) <= p_values[left].min(initial=1)
