"""The VOTable holds the graded rows, value by value, and lints clean."""

import io
import shutil
import subprocess
from pathlib import Path

import astropy.units as u
import numpy as np
import polars as pl
import pytest
from astropy.io import votable
from graded_rows import assert_same

from catalog_schema.tables import QUASARS


def test_votable(released: Path, anomalies: pl.DataFrame) -> None:
    path = released / "vo" / "anomalies.vot"
    report = io.StringIO()
    votable.validate(str(path), output=report)
    parsed = votable.parse_single_table(path, verify="exception")
    rows = parsed.to_table()
    assert_same(rows, anomalies)
    assert "E0" not in report.getvalue()
    assert [field.ucd for field in parsed.fields] == [column.ucd for column in QUASARS.columns]
    assert rows["TARGET_RA"].unit == u.deg
    assert np.array_equal(rows["latent"], np.stack(anomalies["latent"].to_list()))


@pytest.mark.skipif(not shutil.which("stilts"), reason="Debian: apt-get install stilts")
@pytest.mark.parametrize(
    "command", [["stilts", "votlint", "vo/anomalies.vot"], ["sh", "examples/open_stilts.sh"]]
)
def test_stilts(released: Path, anomalies: pl.DataFrame, command: list[str]) -> None:
    done = subprocess.run(command, cwd=released, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    is_linted = command[1] == "votlint"
    assert (done.stdout == "") == is_linted
    assert is_linted or str(anomalies["TARGETID"][0]) in done.stdout
