"""The chart of a spectrum: one zoom over all its panels, extremes kept, detail where it is seen."""

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from portal.data.evidence import Evidence, list_peaks
from portal.data.lines import place_lines
from portal.data.spectrum import Spectrum, list_masked, make_curves, name_arms, size_block
from portal.drawing.charts import Chart
from portal.drawing.spectrum_chart import NO_NORMALS, Beside, View, count_merged, draw_spectrum

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


def test_in_the_rest_frame_everything_moves_together() -> None:
    flux = np.ones(WAVE_SIZE)
    observed, rest = (draw(flux, View(scale=scale)).tables for scale in (1.0, 2.5))
    assert observed.keys() == rest.keys()
    for name, table in observed.items():
        places = {"wave", "end", "at", "wave_low", "wave_high"} & set(table.columns)
        for column in table.columns:
            values, moved = table[column].tolist(), rest[name][column].tolist()
            if column in places:
                values = [value / 2.5 for value in values]
                # Tables are rounded, to spare the browser digits.
                assert np.allclose(moved, values, atol=2e-4), (name, column)
            else:
                assert moved == values, (name, column)


def test_a_spectrum_that_is_drawn_is_left_as_it_was() -> None:
    peaks = list_peaks(
        Evidence(np.full(60, 5.0), np.full(4, 1500.0), np.full(4, 2000.0)), 1.5, 1e-4
    )
    before = peaks.copy()
    ones = np.ones(WAVE_SIZE, dtype="f4")
    spectrum = Spectrum(WAVE, ones, ones, np.zeros(WAVE_SIZE, dtype="i4"), ones)
    curves = make_curves(spectrum, 1)
    draw_spectrum(curves, name_arms(spectrum), Beside([], [], peaks, NO_NORMALS), View(scale=2.0))
    assert peaks.equals(before)
    assert np.array_equal(curves.wave, WAVE)


@given(st.floats(3600, 9800), st.floats(1, 6000), st.floats(1, 5))
def test_what_is_merged_is_as_much_as_the_part_is_long(
    low: float, width: float, scale: float
) -> None:
    high = min(low + width, 9824.0)
    inside = int(((low <= WAVE) & (high > WAVE)).sum())
    view = View(scale=scale, window=(low / scale, high / scale))
    assert count_merged(WAVE, view) in {
        size_block(inside + k) for k in (-1, 0, 1) if inside + k > 0
    }
    assert count_merged(WAVE, View(scale=scale)) == size_block(WAVE_SIZE)
