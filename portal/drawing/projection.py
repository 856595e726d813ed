"""The Mollweide projection, which keeps areas equal, so that densities can be compared by eye."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# Right ascension at the centre of the map, degrees: keeps DESI's two caps in one piece each.
CENTRE = 120.0
# Five degrees a step, too fine to be seen as corners.
_STEPS = 37
# South of what DESI observes, so that no cell hides the labels of the meridians.
_LABEL_DEC = -37.0


def project(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project equatorial coordinates in degrees; east is to the left, x in ±2√2, y in ±√2."""
    offset = (np.asarray(ra, dtype=np.float64) - CENTRE + 180) % 360 - 180
    return _project_offset(offset, np.asarray(dec, dtype=np.float64))


def make_graticule() -> pd.DataFrame:
    """Return meridians and parallels every 30 degrees: columns line, step, x, y."""
    decs = np.linspace(-90, 90, _STEPS)
    offsets = np.linspace(-180, 180, _STEPS)
    lines = [_project_offset(np.full(_STEPS, offset), decs) for offset in range(-180, 181, 30)]
    lines += [_project_offset(offsets, np.full(_STEPS, dec)) for dec in range(-60, 61, 30)]
    frames = [
        pd.DataFrame({"line": number, "step": np.arange(_STEPS), "x": x, "y": y})
        for number, (x, y) in enumerate(lines)
    ]
    return pd.concat(frames, ignore_index=True)


def make_labels() -> pd.DataFrame:
    """Return the labels of the graticule: columns x, y, text."""
    offsets = np.arange(-120, 121, 60)
    x, y = _project_offset(offsets.astype(float), np.full(len(offsets), _LABEL_DEC))
    meridians = [f"{(CENTRE + offset) % 360:.0f}°" for offset in offsets]
    decs = np.array([-60.0, -30.0, 30.0, 60.0])
    edge_x, edge_y = _project_offset(np.full(len(decs), 180.0), decs)
    parallels = [f"{dec:+.0f}°" for dec in decs]
    return pd.DataFrame(
        {
            "x": [*x, *(edge_x * 1.05)],
            "y": [*y, *edge_y],
            "text": [*meridians, *parallels],
        }
    )


def _project_offset(
    offset: NDArray[np.float64], dec: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    theta = _solve_auxiliary(np.radians(dec))
    x = -2 * np.sqrt(2) / np.pi * np.radians(offset) * np.cos(theta)
    return x, np.sqrt(2) * np.sin(theta)


def _solve_auxiliary(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve 2θ + sin 2θ = π sin φ by Newton's steps; at a pole the slope vanishes and θ = φ."""
    theta = latitude.copy()
    for _ in range(50):
        slope = 2 + 2 * np.cos(2 * theta)
        error = 2 * theta + np.sin(2 * theta) - np.pi * np.sin(latitude)
        theta -= np.divide(error, slope, out=np.zeros_like(theta), where=slope > 1e-9)
    return np.where(np.abs(latitude) > np.pi / 2 - 1e-6, latitude, theta)
