"""The Mollweide projection keeps areas, poles and sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.drawing.projection import CENTRE, make_graticule, make_labels, project

RA, DEC = st.floats(0, 360), st.floats(-90, 90)


def test_poles_sides_and_direction() -> None:
    x, y = project([CENTRE, CENTRE, CENTRE - 90, CENTRE + 180.0], [90.0, -90.0, 0.0, 0.0])
    assert np.allclose(y, [np.sqrt(2), -np.sqrt(2), 0, 0], atol=1e-6)
    assert np.allclose(np.abs(x), [0, 0, np.sqrt(2), 2 * np.sqrt(2)], atol=1e-4)
    assert x[2] > 0


@given(RA, DEC)
def test_every_place_lies_in_the_ellipse(ra: float, dec: float) -> None:
    (x,), (y,) = project([ra], [dec])
    assert x**2 / 8 + y**2 / 2 <= 1 + 1e-9
    assert np.sign(y) == np.sign(dec) or abs(dec) < 1e-9


@given(DEC)
def test_the_sky_south_of_a_parallel_keeps_its_area(dec: float) -> None:
    _, (y,) = project([CENTRE], [dec])
    theta = np.arcsin(np.clip(y / np.sqrt(2), -1, 1))
    assert (2 * theta + np.sin(2 * theta)) / np.pi == pytest.approx(
        np.sin(np.radians(dec)), abs=1e-6
    )


@given(st.floats(-179, 179), DEC)
def test_east_is_left_and_the_sides_are_alike(offset: float, dec: float) -> None:
    (x, mirrored), (y, same) = project([CENTRE + offset, CENTRE - offset], [dec, dec])
    assert x == pytest.approx(-mirrored, abs=1e-9)
    assert y == pytest.approx(same)
    assert x * offset <= 1e-9


def test_frame_is_drawn_within_the_map() -> None:
    grid, labels = make_graticule(), make_labels()
    assert np.isfinite(grid[["x", "y"]].to_numpy()).all()
    assert grid.groupby("line")["step"].apply(lambda steps: steps.is_monotonic_increasing).all()
    assert set(labels["text"]) >= {"120°", "+30°", "-60°"}
    assert labels["x"].abs().max() < 3.1
