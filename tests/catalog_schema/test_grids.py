"""Grids and arms: there and back between pixels and wavelengths, and through a file's metadata."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import ARM_PIXELS, SAMPLING
from catalog_schema.grids import Arm, Grid, Sampling, read_sampling, write_sampling

linear = st.builds(Grid, st.floats(1000, 9000), st.floats(0.1, 10), st.integers(2, 9000))
log = st.builds(Grid, st.floats(3, 4), st.floats(1e-5, 1e-3), st.integers(2, 9000), st.just(True))


@st.composite
def samplings(draw: st.DrawFn) -> Sampling:
    grid = draw(linear | log)
    cuts = draw(st.lists(st.integers(0, grid.size), min_size=1, max_size=4))
    borders = sorted({0, *cuts, grid.size})
    reach = draw(st.integers(0, 100))
    pairs = itertools.pairwise(borders)
    arms = [Arm(f"a{k}", max(a - reach, 0), b) for k, (a, b) in enumerate(pairs)]
    return Sampling(grid, tuple(arms))


@given(samplings())
def test_sampling_travels_through_metadata_and_json(sampling: Sampling) -> None:
    assert read_sampling(write_sampling(sampling)) == sampling
    assert Sampling.from_json(sampling.to_json()) == sampling


def test_sampling_travels_through_a_parquet_file(tmp_path) -> None:
    table = pa.table({"flux": [1.0]}).replace_schema_metadata(write_sampling(SAMPLING))
    pq.write_table(table.slice(0, 1), tmp_path / "coadds.parquet")
    assert read_sampling(pq.read_schema(tmp_path / "coadds.parquet").metadata) == SAMPLING
    assert read_sampling(None) is None
    assert read_sampling({b"other": b"1"}) is None


@given(linear | log, st.data())
def test_pixels_are_evenly_spaced_in_wavelength_or_its_logarithm(
    grid: Grid, data: st.DataObject
) -> None:
    pixel = data.draw(st.floats(-0.5, grid.size - 0.5))
    place = np.log10(grid.to_wave(pixel)) if grid.is_log else grid.to_wave(pixel)
    assert (place - grid.start) / grid.step == pytest.approx(pixel, abs=1e-3)
    assert len(grid.wave) == grid.size
    assert grid.ends == (grid.wave[0], grid.wave[-1])
    assert (np.diff(grid.wave) > 0).all()


@given(samplings())
def test_arms_answer_for_every_wavelength_once(sampling: Sampling) -> None:
    spans = list(sampling.spans.values())
    assert [arm.name for arm in sampling.arms] == list(sampling.spans)
    assert (spans[0][0], spans[-1][1]) == (0.0, float("inf"))
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end == start
    for (left, right), (low, high) in sampling.joins.items():
        assert sampling.spans[left][1] == sampling.spans[right][0] == 0.5 * (low + high)


def test_desi_s_arms_overlap_where_the_data_model_says() -> None:
    assert SAMPLING.joins == {("b", "r"): (5760.0, 5800.0), ("r", "z"): (7520.0, 7620.0)}
    assert SAMPLING.spans == {"b": (0, 5780), "r": (5780, 7570), "z": (7570, float("inf"))}
    assert {arm.name: (arm.first, arm.last) for arm in SAMPLING.arms} == ARM_PIXELS


@given(linear | log)
def test_the_written_rule_gives_the_grid(grid: Grid) -> None:
    np.testing.assert_array_equal(eval(grid.rule, {"np": np}), grid.wave)


def test_a_resolution_travels_and_does_not_make_another_sampling() -> None:
    known = Sampling(Grid(4000.0, 1.0, 60), (Arm("b", 0, 30, 1.6), Arm("r", 20, 60)))
    read = Sampling.from_json(known.to_json())
    assert [arm.fwhm for arm in read.arms] == [1.6, None]
    assert read == Sampling(known.grid, (Arm("b", 0, 30), Arm("r", 20, 60)))
    older = known.to_json() | {"arms": [{"name": "b", "first": 0, "last": 60}]}
    assert Sampling.from_json(older).arms[0].fwhm is None


@given(st.floats(3000, 10_000), st.floats(3000, 10_000))
def test_cut_keeps_the_pixels_between_two_wavelengths(low: float, high: float) -> None:
    sampling, pixels = SAMPLING.cut(min(low, high), max(low, high))
    wave = SAMPLING.grid.wave
    is_kept = (wave >= min(low, high) - 1e-6) & (wave <= max(low, high) + 1e-6)
    np.testing.assert_array_equal(wave[pixels], wave[is_kept])
    np.testing.assert_allclose(sampling.grid.wave, wave[is_kept], rtol=1e-12)
    for arm in sampling.arms:
        [whole] = [a for a in SAMPLING.arms if a.name == arm.name]
        here = np.zeros(wave.size, bool)
        here[whole.pixels] = True
        assert np.flatnonzero(here[pixels]).tolist() == list(range(arm.first, arm.last))


def test_ends_of_a_cut_are_kept() -> None:
    assert SAMPLING.cut(*SAMPLING.grid.ends)[0] == SAMPLING
    assert json.loads(SAMPLING.grid.describe())["size"] == SAMPLING.grid.size


@given(linear | log, st.floats(-0.5, 1.5))
def test_a_wavelength_is_found_again_at_its_place_in_pixels(grid: Grid, share: float) -> None:
    place = np.array([share * grid.size])
    np.testing.assert_allclose(grid.to_pixel(grid.to_wave(place)), place, rtol=1e-6, atol=1e-5)
