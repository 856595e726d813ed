"""The split of the sky: by place and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.science.sky import are_positions, assign_splits, find_cells

FRACTIONS = {"validation": 0.15, "test": 0.10}


def draw_sky(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def test_fractions_of_the_sky() -> None:
    splits = assign_splits(*draw_sky(20_000), FRACTIONS, rest="train")
    for name, share in {**FRACTIONS, "train": 0.75}.items():
        assert np.mean(splits == name) == pytest.approx(share, abs=0.01)


@given(seed=st.integers(0, 1000))
def test_order_and_company_do_not_matter(seed: int) -> None:
    ra, dec = draw_sky(60, seed)
    splits = assign_splits(ra, dec, FRACTIONS, rest="train")
    order = np.random.default_rng(seed).permutation(60)
    assert (assign_splits(ra[order], dec[order], FRACTIONS, rest="train") == splits[order]).all()
    assert assign_splits(ra[:1], dec[:1], FRACTIONS, rest="train") == splits[0]


def test_a_cell_is_on_one_side() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(10, 12, 3000), rng.uniform(10, 12, 3000)
    splits = assign_splits(ra, dec, FRACTIONS, rest="train")
    cells = find_cells(ra, dec, 8)
    assert len(set(cells)) > 40
    assert all(len(set(splits[cells == cell])) == 1 for cell in set(cells))
    assert set(splits) == {"train", "validation", "test"}


def test_no_held_out_part() -> None:
    assert set(assign_splits(*draw_sky(500), {"test": 0.0}, rest="train")) == {"train"}


def test_splits_are_the_same_for_ever() -> None:
    """A change here moves spectra between training and test: a new revision of `target`."""
    ra, dec = np.arange(0, 360, 30.0), np.linspace(-80, 80, 12)
    splits = assign_splits(ra, dec, {"validation": 0.4, "test": 0.3}, rest="train")
    assert "".join(name[1] for name in splits) == SPLITS


# Second letters of train, validation and test at the positions above.
SPLITS = "eeeaareereaa"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 360.1, -180.1])
def test_what_is_no_place_on_the_sphere_is_told(wrong: float) -> None:
    assert not are_positions(np.array([wrong]), np.array([0.0])).any()
    assert not are_positions(np.array([0.0]), np.array([wrong])).any()


@given(ra=st.floats(-180, 360), dec=st.floats(-90, 90))
def test_the_ends_of_the_sphere_are_on_it(ra: float, dec: float) -> None:
    ends = np.array([[ra, -180.0, 360.0, 0.0, 0.0], [dec, 0.0, 0.0, -90.0, 90.0]])
    assert are_positions(*ends).all()
    assert not are_positions(np.zeros(2), np.array([-90.1, 90.1])).any()


def test_cells_are_healpix_nested() -> None:
    # Base pixel 0 of the NESTED scheme holds (45°, 0 < dec < 41.8°), 4 the point (0°, 0°).
    assert find_cells(np.array([45.0, 0.001]), np.array([20.0, 0.0]), 0).tolist() == [0, 4]
    fine = find_cells(*draw_sky(100), 8)
    assert (fine >> 4 == find_cells(*draw_sky(100), 6)).all()
