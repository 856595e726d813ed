"""The report needs nothing else, is drawn whatever the rows, and averages what is known."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from release.faces.report import average_pixels


def test_report_needs_nothing_else(released: Path) -> None:
    text = (released / "validation" / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)[^"]+"', text.replace("xlink:href", "href"))
    assert text.count("<svg") == 7
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)


@given(seed=st.integers(0, 99), share=st.floats(0, 1))
def test_average_is_that_of_known_pixels(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(WAVE_SIZE) < share, rng.normal(size=WAVE_SIZE), np.nan)
    wave, mean = average_pixels(values)
    assert wave.shape == mean.shape == (WAVE_SIZE // 15,)
    for place in (0, 1, 250, len(wave) - 1):
        run = values[15 * place : 15 * place + 15]
        assert wave[place] == WAVE_START + WAVE_STEP * (15 * place + 7)
        assert np.ma.getmaskarray(mean)[place] == np.isnan(run).all()
        if not np.isnan(run).all():
            assert np.isclose(mean[place], np.nanmean(run))
