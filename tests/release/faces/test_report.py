"""The report needs nothing else, is drawn whatever the rows, and averages what is known."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import SAMPLING, WAVE_SIZE, WAVE_START, WAVE_STEP
from release.faces import report
from release.faces.report import average_pixels
from release.manifest import read_json


def test_report_needs_nothing_else(released: Path) -> None:
    text = (released / "validation" / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)[^"]+"', text.replace("xlink:href", "href"))
    assert text.count("<svg") == 11
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)


@given(seed=st.integers(0, 99), share=st.floats(0, 1))
def test_average_is_that_of_known_pixels(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(WAVE_SIZE) < share, rng.normal(size=WAVE_SIZE), np.nan)
    wave, mean = average_pixels(values, SAMPLING.grid)
    assert wave.shape == mean.shape == (WAVE_SIZE // 15,)
    for place in (0, 1, 250, len(wave) - 1):
        run = values[15 * place : 15 * place + 15]
        assert wave[place] == WAVE_START + WAVE_STEP * (15 * place + 7)
        assert np.ma.getmaskarray(mean)[place] == np.isnan(run).all()
        if not np.isnan(run).all():
            assert np.isclose(mean[place], np.nanmean(run))


# Drawings that a release has not of which a table is empty.
N_DRAWINGS = {"anomalies": 3, "null": 0, "controls": 1, "injections": 2}


@pytest.mark.parametrize("name", N_DRAWINGS)
def test_report_is_drawn_when_a_table_is_empty(released: Path, tmp_path: Path, name: str) -> None:
    for path in (
        *("catalog/quasars", "catalog/anomalies", "calibration/null", "spectra/spectra"),
        *("validation/controls", "validation/injections"),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        rows = pq.ParquetFile(released / f"{path}.parquet").read()
        pq.write_table(
            rows.slice(0, 0) if path.endswith(name) else rows, tmp_path / f"{path}.parquet"
        )
    report.write(tmp_path, read_json(released / "manifest.json"))
    text = (tmp_path / report.FILE).read_text(encoding="utf-8")
    assert text.count("<svg") == 11 - N_DRAWINGS[name]
    assert "nan" not in text.lower().replace("null population", "")
