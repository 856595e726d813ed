"""What is published: every graded object, and of the others a sample that no run chooses."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.waist import ROW_KEY
from pipeline.judge.publication import choose_published
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.settings.spectra import ReconstructSettings

TIERS = st.lists(st.sampled_from(["gold", "silver", "bronze", "none"]), min_size=1, max_size=30)


def make(tiers: list[str], **columns: Any) -> pa.Table:
    n = len(tiers)
    keys = {
        "SURVEY": ["main"] * n,
        "PROGRAM": ["dark"] * n,
        "HEALPIX": list(range(n)),
        "TARGETID": list(range(100, 100 + n)),
    }
    return pa.table(keys | columns | {"tier": tiers})


def choose(rows: pa.Table, n: int) -> list[int]:
    return choose_published(rows, ReconstructSettings(reference_sample=n))["TARGETID"].to_pylist()


@given(tiers=TIERS, n=st.integers(0, 40))
def test_all_graded_and_as_many_others_as_wanted_in_the_order_of_the_rows(
    tiers: list[str], n: int
) -> None:
    rows = make(tiers)
    found = choose_published(rows, ReconstructSettings(reference_sample=n))
    assert found.column_names == list(ROW_KEY)
    ids = found["TARGETID"].to_pylist()
    assert ids == sorted(set(ids))
    graded = {100 + k for k, tier in enumerate(tiers) if tier != "none"}
    assert graded <= set(ids)
    assert len(ids) == len(graded) + min(n, len(tiers) - len(graded))


@given(tiers=TIERS, n=st.integers(0, 20), seed=st.integers(0, 99))
def test_a_larger_sample_holds_the_smaller_one_whatever_the_order(
    tiers: list[str], n: int, seed: int
) -> None:
    rows = make(tiers)
    assert set(choose(rows, n)) <= set(choose(rows, n + 3))
    order = np.random.default_rng(seed).permutation(len(tiers))
    assert set(choose(rows.take(pa.array(order)), n)) == set(choose(rows, n))


def test_the_sample_is_the_first_of_the_audit() -> None:
    rows = make(["none"] * 50)
    draw = hash_to_unit(np.arange(100, 150), Stream.AUDIT)
    assert set(choose(rows, 7)) == {100 + k for k in np.argsort(draw)[:7]}


def test_repeats_of_one_object_come_in_the_order_of_survey_then_program() -> None:
    rows = make(
        ["none"] * 3,
        TARGETID=[5, 5, 5],
        SURVEY=["sv1", "main", "main"],
        PROGRAM=["bright", "dark", "bright"],
    )
    one, two = (
        choose_published(rows, ReconstructSettings(reference_sample=n))["HEALPIX"].to_pylist()
        for n in (1, 2)
    )
    assert (one, two) == ([2], [1, 2])
