"""The chart of a spectrum: one zoom over all its panels."""

import warnings

import altair as alt
import numpy as np

from catalog_schema.desi import WAVE_SIZE
from portal.evidence import Evidence, list_peaks
from portal.lines import place_lines
from portal.spectrum import Spectrum, list_masked, make_curves, name_arms
from portal.spectrum_chart import NO_NORMALS, Beside, draw_spectrum


def test_every_panel_listens_to_one_zoom() -> None:
    ones = np.ones(WAVE_SIZE, dtype="f4")
    mask = np.zeros(WAVE_SIZE, dtype="i4")
    mask[100:200] = 1
    spectrum = Spectrum(ones, ones, mask, ones)
    evidence = Evidence(np.full(60, 5.0), np.full(4, 1500.0), np.full(4, 2000.0))
    beside = Beside(
        list_masked(spectrum), place_lines(1.5, 3600, 9824, ("emission",)),
        list_peaks(evidence, 1.5), NO_NORMALS,
    )  # fmt: skip
    with warnings.catch_warnings(), alt.data_transformers.enable(max_rows=None):
        warnings.simplefilter("error")
        chart = draw_spectrum(
            make_curves(spectrum, 5), name_arms(spectrum), beside, 1.0, "observed", False
        )
        drawn = chart.to_dict()
    names = [panel.get("name") or panel["layer"][0]["name"] for panel in drawn["vconcat"]]
    assert len(names) == 4
    assert [(zoom["bind"], zoom["views"]) for zoom in drawn["params"]] == [("scales", names)]
