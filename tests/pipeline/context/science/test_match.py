"""Geometry of the cross-match against astropy and brute force."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from pipeline.context.science import match
from pipeline.science.sky import find_cells

POLES = np.array([90.0, -90.0, 89.99999, -89.99999])
DEGREES = st.tuples(
    st.one_of(st.floats(0, 359.999), st.sampled_from([0.0, 359.9999999])),
    st.one_of(st.floats(-90, 90), st.sampled_from(POLES.tolist())),
)


@given(first=DEGREES, second=DEGREES)
def test_separation_is_astropys(first: tuple, second: tuple) -> None:
    expected = SkyCoord(*first, unit="deg").separation(SkyCoord(*second, unit="deg")).arcsec
    arrays = [np.array([value]) for value in (*first, *second)]
    assert np.isclose(match.measure_separations(*arrays)[0], expected, rtol=1e-7, atol=1e-7)


@given(place=DEGREES, distance=st.floats(1e-5, 60), angle=st.floats(0, 6.28))
def test_offset_has_its_distance(place: tuple, distance: float, angle: float) -> None:
    ra, dec = (np.array([value]) for value in place)
    new_ra, new_dec = match.offset(ra, dec, distance, angle)
    found = match.measure_separations(ra, dec, new_ra, new_dec)[0]
    assert np.isclose(found, 3600 * distance, rtol=1e-6)
    assert 0 <= new_ra[0] < 360
    assert abs(new_dec[0]) <= 90


def test_propagation_is_astropys_and_stays_put_without_motion() -> None:
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-89, 89, 50)
    pm_ra, pm_dec = rng.normal(0, 500, (2, 50))
    moved = match.propagate(ra, dec, pm_ra, pm_dec, -0.5)
    start = SkyCoord(
        ra,
        dec,
        unit="deg",
        pm_ra_cosdec=pm_ra * u.mas / u.yr,
        pm_dec=pm_dec * u.mas / u.yr,
        obstime="J2016.0",
    )
    end = start.apply_space_motion(dt=-0.5 * u.yr)
    gap = match.measure_separations(*moved, end.ra.deg, end.dec.deg)
    assert gap.max() < 1e-5
    still = match.propagate(ra, dec, np.full(50, np.nan), np.full(50, np.nan), 10)
    np.testing.assert_array_equal(still, (ra, dec))


@given(
    seed=st.integers(0, 10**6),
    radius=st.floats(0.1, 180),
    centre=DEGREES,
)
def test_no_source_within_the_radius_is_outside_the_cells(
    seed: int, radius: float, centre: tuple
) -> None:
    rng = np.random.default_rng(seed)
    order = match.choose_order(radius)
    ra, dec = (np.full(200, value) for value in centre)
    near_ra, near_dec = match.offset(
        ra, dec, radius * np.sqrt(rng.random(200)) / 3600, rng.uniform(0, 2 * np.pi, 200)
    )
    cells = match.find_reachable_cells(ra[:1], dec[:1], radius, order)
    assert set(find_cells(near_ra, near_dec, order)) <= set(cells.cell.tolist())


def test_corners_of_the_base_cells_reach_all_around() -> None:
    """Where three base cells meet a cell has seven neighbours."""
    for ra in (0.0, 45.0, 90.0, 180.0, 270.0):
        for dec in (41.8103148957786, -41.8103148957786, 0.0, 90.0, -90.0):
            test_no_source_within_the_radius_is_outside_the_cells.hypothesis.inner_test(
                1, 10.0, (ra, dec)
            )


def test_normalised_separation_follows_rayleigh() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 100_000)) * np.hypot(0.3, 0.4)
    r = match.normalise_separations(np.hypot(x, y), np.full(100_000, 0.3), np.full(100_000, 0.4))
    for level in (0.5, 1.0, 2.0, 3.0):
        assert np.isclose((r > level).mean(), np.exp(-(level**2) / 2), atol=4e-3)
    unknown = match.normalise_separations(np.ones(2), np.zeros(2), np.array([0.0, np.nan]))
    assert np.isnan(unknown).all()


def test_chance_probability_is_that_of_a_random_sky() -> None:
    rng = np.random.default_rng(4)
    nearest = np.sqrt(rng.uniform(0, 1, (20_000, 400)) * 400 / 0.3).min(axis=1)
    found = match.find_chance_probability(np.array([0.5, 1.0]), 0.3, 1.0)
    assert np.allclose(found, [(nearest < 0.5).mean(), (nearest < 1.0).mean()], atol=0.01)


@given(seed=st.integers(0, 10**6), n=st.integers(0, 40))
def test_survivors_keep_apart_and_stand_for_the_others(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    ra = np.mod(rng.choice([0.0, 359.9995, 120.0], n) + rng.uniform(0, 3e-3, n), 360)
    dec = rng.choice([0.0, 60.0], n) + rng.uniform(0, 3e-3, n)
    survivor = match.find_survivors(ra, dec, 5.0)
    kept = np.flatnonzero(survivor == np.arange(n))
    apart = SkyCoord(ra, dec, unit="deg")
    for row in range(n):
        near = [k for k in kept if k < row and apart[k].separation(apart[row]).arcsec <= 5]
        if row in kept:
            assert near == []
        else:
            gaps = [apart[k].separation(apart[row]).arcsec for k in near]
            assert survivor[row] == near[int(np.argmin(gaps))]


@given(seed=st.integers(0, 1000), radius=st.sampled_from([0.5, 2.0, 30.0]))
def test_neighbours_are_those_of_brute_force(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    # About the pole and across RA 0, where longitudes are no guide.
    ra, other_ra = rng.uniform(0, 360, 40), rng.uniform(0, 360, 60)
    dec, other_dec = 90 - rng.uniform(0, 0.02, 40), 90 - rng.uniform(0, 0.02, 60)
    row, other, separation = match.find_neighbours(ra, dec, other_ra, other_dec, radius)
    every, others = (grid.ravel() for grid in np.mgrid[:40, :60])
    distance = match.measure_separations(ra[every], dec[every], other_ra[others], other_dec[others])
    near = distance <= radius
    assert set(zip(row, other, strict=True)) == set(zip(every[near], others[near], strict=True))
    assert np.all(np.diff(row) >= 0)
    np.testing.assert_array_equal(
        separation, match.measure_separations(ra[row], dec[row], other_ra[other], other_dec[other])
    )


@given(
    seed=st.integers(0, 999),
    rate=st.floats(1e-4, 0.5),
    radius=st.floats(0.5, 30),
    n=st.integers(1, 9),
)
def test_chance_grows_with_the_area_and_never_beyond_one(
    seed: int, rate: float, radius: float, n: int
) -> None:
    separation = np.sort(np.random.default_rng(seed).uniform(0, radius, n))
    found = match.find_chance_probability(separation, rate, radius)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    # Twice the separation holds four times as many; none there is the fourth power.
    double = match.find_chance_probability(2 * separation, rate, radius)
    np.testing.assert_allclose(np.log1p(-double), 4 * np.log1p(-found), rtol=1e-5, atol=1e-9)
    assert match.find_chance_probability(np.array([0.0]), rate, radius)[0] == 0
    few = match.find_chance_probability(np.array([radius]), 1e-9, radius)[0]
    assert np.isclose(few, 1e-9, rtol=1e-6)


@given(place=DEGREES, distance=st.floats(1, 600), count=st.integers(0, 6))
def test_shifted_positions_lie_in_even_angles_on_a_circle(
    place: tuple, distance: float, count: int
) -> None:
    ra, dec = (np.array([value, value]) for value in place)
    found_ra, found_dec = match.shift_positions(ra, dec, distance, count)
    assert len(found_ra) == 2 * count
    if count:
        gaps = match.measure_separations(
            np.tile(ra, count), np.tile(dec, count), found_ra, found_dec
        )
        np.testing.assert_allclose(gaps, distance, rtol=1e-6)
        first = np.arange(0, 2 * count, 2)
        chords = match.measure_separations(
            found_ra[first],
            found_dec[first],
            found_ra[np.roll(first, 1)],
            found_dec[np.roll(first, 1)],
        )
        np.testing.assert_allclose(
            chords, 2 * distance * np.sin(np.pi / count), rtol=1e-4, atol=1e-4
        )


@given(radius=st.floats(0.01, 7200))
def test_cells_are_as_fine_as_they_may_be(radius: float) -> None:
    """Twice as wide as the radius, and not four times where finer ones are allowed."""
    order = match.choose_order(radius)
    width = np.degrees(np.sqrt(np.pi / 3) / 2**order) * 3600
    assert 0 <= order <= 12
    assert width >= 2 * radius
    if order < 12:
        assert width / 2 < 2 * radius


def test_neighbours_of_one_position_come_nearest_first_and_the_radius_is_inside() -> None:
    ra, dec = np.array([10.0]), np.array([0.0])
    other_dec = np.array([3.0, 1.0, 2.0, 1.0]) / 3600
    other_ra = np.full(4, 10.0)
    row, other, separation = match.find_neighbours(ra, dec, other_ra, other_dec, 2.0 + 1e-9)
    assert other.tolist() == [1, 3, 2]
    assert row.tolist() == [0, 0, 0]
    np.testing.assert_allclose(separation, [1, 1, 2])


def test_proper_motion_is_on_the_sky_and_signed() -> None:
    """A second of arc a year for an hour of arc: `pm_ra` holds cos(dec) already."""
    ra, dec = np.array([100.0]), np.array([60.0])
    still, thousand = np.zeros(1), np.full(1, 1000.0)
    east, _ = match.propagate(ra, dec, thousand, still, 1.0)
    _, north = match.propagate(ra, dec, still, thousand, 1.0)
    assert np.isclose((east - ra)[0] * 3600, 2, rtol=1e-5)
    assert np.isclose((north - dec)[0] * 3600, 1, rtol=1e-6)
    back, _ = match.propagate(ra, dec, thousand, still, -1.0)
    assert np.isclose((back - ra)[0] * 3600, -2, rtol=1e-5)


def test_errors_of_both_are_added_in_quadrature() -> None:
    found = match.normalise_separations(
        np.array([10.0, 1.0]), np.array([3.0, np.nan]), np.array([4.0, 1.0])
    )
    np.testing.assert_array_equal(found, [2.0, np.nan])
