"""Scores, measurements and significance of a run matched row by row."""

import numpy as np
import pyarrow as pa
import pytest

from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import SIGNIFICANCE
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.judge.survey import read_measured, read_survey
from pipeline.lake.store import Store


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
