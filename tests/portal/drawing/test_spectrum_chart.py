"""The chart of a spectrum: one zoom over all its panels, extremes kept, detail where it is seen."""

import warnings

import numpy as np

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from portal.data.evidence import Evidence, list_peaks
from portal.data.lines import place_lines
from portal.data.spectrum import Spectrum, list_masked, make_curves, name_arms
from portal.drawing.charts import Chart
from portal.drawing.spectrum_chart import NO_NORMALS, Beside, View, draw_spectrum

WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)


def draw(flux: np.ndarray, view: View) -> Chart:
    ones = np.ones(WAVE_SIZE, dtype="f4")
    mask = np.zeros(WAVE_SIZE, dtype="i4")
    mask[100:200] = 1
    spectrum = Spectrum(WAVE, flux.astype("f4"), ones, mask, ones)
    evidence = Evidence(np.full(60, 5.0), np.full(4, 1500.0), np.full(4, 2000.0))
    beside = Beside(
        list_masked(spectrum),
        place_lines(1.5, 3600, 9824, ("emission",)),
        list_peaks(evidence, 1.5, 1e-4),
        NO_NORMALS,
    )
    return draw_spectrum(make_curves(spectrum, 1), name_arms(spectrum), beside, view)


def test_every_panel_listens_to_one_zoom() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw(np.ones(WAVE_SIZE), View()).spec
    names = [panel.get("name") or panel["layer"][0]["name"] for panel in drawn["vconcat"]]
    assert len(names) == 4
    zooms = [zoom for zoom in drawn["params"] if "select" in zoom]
    assert [(zoom["bind"], zoom["views"]) for zoom in zooms] == [("scales", names)]


def test_the_specification_stays_and_a_table_has_the_ends_of_the_axes() -> None:
    faint, bright = (draw(np.linspace(0, top, WAVE_SIZE), View()) for top in (1.0, 9.0))
    assert faint.spec == bright.spec
    ends = [one.tables["levels"].iloc[0] for one in (faint, bright)]
    assert ends[0]["flux_high"] < ends[1]["flux_high"]
    assert ends[0]["wave_low"] == ends[1]["wave_low"] == 3600.0
    given = {one["name"]: one["expr"] for one in faint.spec["params"] if "expr" in one}
    assert given.keys() == set(ends[0].index) - {"level"}
    assert all(f"data('levels')[0].{name}" in expression for name, expression in given.items())


def test_no_spike_is_lost_and_a_part_is_shown_in_full() -> None:
    flux = np.ones(WAVE_SIZE)
    flux[[1000, 3333]] = 7.0, -7.0
    whole = draw(flux, View()).tables["flux"]
    assert len(whole) < WAVE_SIZE / 3
    assert (whole["flux"].min(), whole["flux"].max()) == (-7.0, 7.0)
    part = draw(flux, View(window=(5000.1, 5100.1))).tables["flux"]
    assert part["wave"].between(5000.1, 5100.1).sum() == 125
    assert len(part) < WAVE_SIZE / 3
