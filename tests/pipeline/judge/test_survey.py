"""Scores, measurements and significance of a run matched row by row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_tables import draw_scores, make_kind, make_survey

from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import SIGNIFICANCE
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.judge.survey import _match, _sort, read_measured, read_survey
from pipeline.lake.store import Store, replace_columns


def test_a_spectrum_without_measurement_is_an_error(lake: Store, config: Config) -> None:
    path = lake.lake.table("significance")
    rows = lake.read(path)
    lake.write(path, rows.slice(1), SIGNIFICANCE, fingerprint="f", n_expected=1, n_made=1)
    with pytest.raises(UserError, match="different rows"):
        read_survey(start_run(lake, config))


def test_a_survey_of_which_nothing_was_measured_is_one_line(lake: Store, config: Config) -> None:
    lake.ledger.keep_only("measure", [])
    with pytest.raises(UserError, match="nothing was measured"):
        read_survey(start_run(lake, config))


def test_a_kind_without_measurements_has_none_of_each_row() -> None:
    from dataclasses import replace

    waist = replace(SPECTRA.waist, measurements=())
    found = read_measured(pa.table({"TARGETID": [1, 2, 3]}), waist)
    assert [np.shape(part) for part in found] == [(3, 0)] * 3


@given(seed=st.integers(0, 99))
def test_rows_are_sorted_by_key_and_controls_come_last(seed: int) -> None:
    survey = make_survey(make_kind(), n=20)
    order = np.random.default_rng(seed).permutation(20)
    scores = replace_columns(
        survey.scores, {"statistics": np.arange(60, dtype=np.float32).reshape(20, 3)}
    )
    found = _sort(scores.take(pa.array(order)))
    rows = found.to_pylist()
    keys = [(row["parent"] == "control", row["HEALPIX"], row["TARGETID"]) for row in rows]
    assert keys == sorted(keys)
    # Arrays go with their rows.
    assert all(row["statistics"][0] == 3 * row["TARGETID"] for row in rows)
    without = _sort(scores.take(pa.array(order)).drop_columns(["parent"]))
    keys = [(row["HEALPIX"], row["TARGETID"]) for row in without.to_pylist()]
    assert keys == sorted(keys)


@given(seed=st.integers(0, 99), n_measured=st.integers(0, 20))
def test_scores_are_those_of_what_was_measured(seed: int, n_measured: int) -> None:
    scores = _sort(draw_scores(make_kind(), n=20))
    rows = np.sort(np.random.default_rng(seed).permutation(20)[:n_measured])
    measured = scores.take(pa.array(rows, pa.int64())).drop_columns(["statistics"])
    found = _match(scores, measured)
    assert found.schema.equals(scores.schema)
    assert found["TARGETID"].equals(measured["TARGETID"])
    assert found.equals(scores.take(pa.array(rows, pa.int64())).combine_chunks())
