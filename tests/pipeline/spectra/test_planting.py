"""Planted features: of the strength asked for, each drawn alone, and nothing else is changed."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quasar_windows import GRID, make_residuals

from catalog_schema.desi import SAMPLING
from pipeline.lake.store import to_matrix
from pipeline.spectra.planting import plant
from pipeline.spectra.sampled import attach_sampling
from pipeline.spectra.science.injection import SHAPES

KINDS = st.sampled_from(sorted(SHAPES))
STRENGTHS = (5.0, 40.0)


def make_hosts(n: int = 2, z: float = 1.7) -> pa.Table:
    made = make_residuals(z, n=n)
    lists = {
        name: pa.FixedSizeListArray.from_arrays(
            pa.array(values.astype(np.float32).ravel()), GRID.window
        )
        for name, values in (("rest_flux", made.flux), ("rest_weight", made.noise_weight))
    }
    columns = {"TARGETID": np.arange(n) + 7, "Z": made.z, "window_start": made.start}
    return attach_sampling(pa.table(columns | lists), SAMPLING)


HOSTS = make_hosts()


def add(kind: str, strengths: tuple[float, ...] = STRENGTHS, seed: int = 1) -> pa.Table:
    return plant(HOSTS, GRID, kind, strengths, seed)


def find_changes(planted: pa.Table) -> np.ndarray:
    """Return what was added to each copy, shape (n, m)."""
    host = planted["TARGETID"].to_numpy() - 7
    return to_matrix(planted["rest_flux"]).astype(float) - to_matrix(HOSTS["rest_flux"])[host]


@pytest.mark.parametrize("kind", SHAPES)
def test_a_feature_has_its_signal_to_noise_and_lies_on_good_pixels(kind: str) -> None:
    planted = add(kind)
    change = find_changes(planted)
    weight = to_matrix(planted["rest_weight"]).astype(float)
    strength = np.sqrt((weight * change**2).sum(axis=1))
    np.testing.assert_allclose(strength, planted["planted"], rtol=1e-3)
    assert (change[weight == 0] == 0).all()


@given(kind=KINDS)
def test_copies_are_host_by_host_and_nothing_else_is_changed(kind: str) -> None:
    planted = add(kind)
    assert planted["TARGETID"].to_pylist() == [7, 7, 8, 8]
    assert planted["planted"].to_pylist() == [*STRENGTHS, *STRENGTHS]
    for name in set(HOSTS.column_names) - {"rest_flux"}:
        assert planted[name].to_pylist() == HOSTS[name].take([0, 0, 1, 1]).to_pylist()
    assert planted.schema.metadata == HOSTS.schema.metadata


@given(kind=KINDS, seed=st.integers(0, 99))
def test_a_draw_is_of_its_seed_host_and_place_among_the_strengths(kind: str, seed: int) -> None:
    first, again, alone = (
        to_matrix(add(kind, strengths, seed)["rest_flux"])
        for strengths in (STRENGTHS, STRENGTHS, STRENGTHS[:1])
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[::2], alone)


@pytest.mark.parametrize("kind", ["narrow_emission", "broad_trough", "cosmic_rays"])
def test_no_two_draws_are_the_same(kind: str) -> None:
    shapes = np.concatenate([find_changes(add(kind, seed=seed)) for seed in (1, 2)])
    peaks = np.abs(shapes).argmax(axis=1)
    assert len(set(peaks.tolist())) > 4


def test_a_host_without_a_good_pixel_bears_nothing() -> None:
    blind = pa.FixedSizeListArray.from_arrays(
        pa.array(np.zeros(2 * GRID.window, np.float32)), GRID.window
    )
    place = HOSTS.column_names.index("rest_weight")
    hosts = HOSTS.set_column(place, "rest_weight", blind)
    assert plant(hosts.slice(0, 2), GRID, "reddening", STRENGTHS, 1).num_rows == 0


@given(seed=st.integers(0, 99))
def test_emission_is_added_and_absorption_taken_away(seed: int) -> None:
    signs = {"narrow_emission": 1, "broad_emission": 1, "narrow_absorption": -1, "lost_lines": -1}
    for kind, sign in signs.items():
        assert (sign * find_changes(add(kind, seed=seed)) > -1e-5).all()
