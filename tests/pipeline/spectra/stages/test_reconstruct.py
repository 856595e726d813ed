"""What is published, and the model's flux in the observed frame."""

import numpy as np
import pyarrow as pa
import pytest
from lake_runs import finished_shards, run_one

from catalog_schema.tables import RECONSTRUCTIONS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.judge.publication import choose_published
from pipeline.lake.store import Store, to_matrix
from pipeline.settings.spectra import ReconstructSettings

KEYS = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]


def make_tiers(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "SURVEY": ["main"] * n,
            "PROGRAM": ["dark"] * n,
            "HEALPIX": pa.array(rng.integers(0, 9, n), pa.int32()),
            "TARGETID": range(n),
            "tier": rng.choice(["gold", "bronze", "none", "none", "none"], n),
        }
    )


def keys_of(rows: pa.Table) -> list[int]:
    return rows["TARGETID"].to_pylist()


@pytest.mark.parametrize("sample", [0, 7, 10_000])
def test_every_graded_row_and_a_sample_of_the_others(sample: int) -> None:
    tiers = make_tiers(200)
    chosen = set(keys_of(choose_published(tiers, ReconstructSettings(reference_sample=sample))))
    graded = {
        t
        for t, tier in zip(keys_of(tiers), tiers["tier"].to_pylist(), strict=True)
        if tier != "none"
    }
    assert graded <= chosen
    assert len(chosen - graded) == min(sample, 200 - len(graded))


def test_choice_depends_on_the_keys_alone() -> None:
    tiers = make_tiers(200)
    settings = ReconstructSettings(reference_sample=20)
    chosen = set(keys_of(choose_published(tiers, settings)))
    shuffled = tiers.take(np.random.default_rng(1).permutation(200))
    assert set(keys_of(choose_published(shuffled, settings))) == chosen
    # A smaller sample is part of a larger one.
    smaller = set(keys_of(choose_published(tiers, ReconstructSettings(reference_sample=5))))
    assert smaller < chosen


def test_no_row() -> None:
    assert choose_published(make_tiers(5)[:0], ReconstructSettings()).num_rows == 0


def read_all(store: Store, dataset: str) -> pa.Table:
    shards = finished_shards(store, "score")
    return pa.concat_tables([store.read(store.lake.shard(dataset, s)) for s in shards])


def test_reconstruction_follows_the_observed_spectrum(finished: Store) -> None:
    rows = read_all(finished, "reconstructions")
    assert find_violations(rows, RECONSTRUCTIONS) == []
    tiers = finished.read(finished.lake.table("tiers"))
    expected = choose_published(tiers, ReconstructSettings(reference_sample=5))
    assert rows.num_rows == expected.num_rows
    coadds = read_all(finished, "coadds")
    place = {target: row for row, target in enumerate(keys_of(coadds))}
    flux = to_matrix(coadds["flux"])[[place[target] for target in keys_of(rows)]]
    model = to_matrix(rows["model"])
    # Levels agree to the model's few per cent, dust put back included.
    inner = slice(200, -200)
    ratio = np.median(model[:, inner] / flux[:, inner], axis=1)
    np.testing.assert_allclose(ratio, 1, atol=0.1)


def test_shards_without_a_published_row_are_done(lake: Store, config: Config) -> None:
    none = config.model_copy(update={"reconstruct": ReconstructSettings(reference_sample=0)})
    report = run_one(lake, none, "reconstruct")
    assert report.failed == ()
    assert report.n_made == report.n_expected
    again = run_one(lake, none, "reconstruct")
    assert again.made == 0
