"""The brick that a TARGETID names holds the target."""

import csv
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.bricks import find_bricks, measure_distance


def name_brick(brick: np.ndarray) -> np.ndarray:
    return (np.int64(9010) << 42) | (brick.astype(np.int64) << 22) | 7


def test_ends_of_the_sky() -> None:
    assert find_bricks(np.array([0.0, 123.0]), np.array([-90.0, 90.0])).tolist() == [1, 662174]


@given(ra=st.floats(0, 360), dec=st.floats(-90, 90))
def test_every_position_is_inside_its_own_brick(ra: float, dec: float) -> None:
    ra, dec = np.array([ra]), np.array([dec])
    assert measure_distance(name_brick(find_bricks(ra, dec)), ra, dec)[0] < 1e-9


def test_distance_to_another_brick() -> None:
    brick = name_brick(find_bricks(np.array([10.0]), np.array([0.0])))
    away = measure_distance(brick, np.array([11.0]), np.array([0.0]))
    assert 0.7 < away[0] < 1.0


def test_sky_fibres_and_other_releases_name_none() -> None:
    ids = np.array([-5, 11, (1 << 59) | (1 << 22), 9010 << 42])
    assert np.isnan(measure_distance(ids, np.zeros(4), np.zeros(4))).all()


def test_real_targets(real_data: Path) -> None:
    with (real_data / "catalogs" / "sdss_desi_pairs_half.csv").open() as file:
        rows = list(csv.DictReader(file))
    ids = np.array([int(row["desi_name"]) for row in rows])
    ra, dec = (np.array([float(row[f"{axis}_desi"]) for row in rows]) for axis in ("ra", "dec"))
    distance = measure_distance(ids, ra, dec)
    known = distance[np.isfinite(distance)]
    assert len(known) > 8000
    assert known.max() == 0
    # Rows shifted by one are elsewhere, but for neighbours in this list, which is ordered.
    assert (measure_distance(np.roll(ids, 1), ra, dec) > 0.02).sum() > 0.85 * len(known)
