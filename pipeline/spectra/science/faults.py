"""What instrument and reduction do to a spectrum: faults to be planted in ordinary spectra.

Each draws its own parameters and returns the flux that it adds to a window, as the phenomena of
`pipeline.spectra.science.phenomena` do.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from pipeline.spectra.science.hosts import Draw, Host, Ranges, draw_log

# See `pipeline.spectra.science.phenomena.RANGES`. Wavelengths, widths and periods in Å.
RANGES: dict[str, Ranges] = {
    "arm_offset": {"size": (0.025, 0.5), "decay": (0.1, 10.0)},
    "sky_residual": {"significance": (5.0, 120.0), "lines": (0.1, 1.0)},
    "cosmic_rays": {"count": (1.0, 6.0), "significance": (5.0, 60.0)},
    "scattered_light": {"centre": (4000.0, 9400.0), "width": (80.0, 900.0), "height": (0.05, 1.5)},
    "fringes": {"period": (12.0, 90.0), "amplitude": (0.04, 0.6)},
    "excess_noise": {"share": (0.05, 1.0), "significance": (20.0, 90.0)},
    "flux_calibration": {"period": (300.0, 3000.0), "amplitude": (0.02, 0.3)},
}


def _arm_offset(host: Host, rng: np.random.Generator) -> NDArray:
    low, high = host.spans[rng.integers(len(host.spans))]
    inside = (host.observed >= low) & (host.observed < high) & (host.weight > 0)
    size = draw_log(RANGES["arm_offset"]["size"], rng)
    # As large all along the arm, or less towards one of its ends, slowly or at once.
    first, last = np.extract(inside, host.observed)[[0, -1]] if inside.any() else (low, high)
    place = np.clip((host.observed - first) / max(last - first, 1.0), 0, 1)
    place = place if rng.random() < 0.5 else 1 - place
    left = place ** draw_log(RANGES["arm_offset"]["decay"], rng)
    return rng.choice([-1, 1]) * size * host.model * inside * left


def _sky_residual(host: Host, rng: np.random.Generator) -> NDArray:
    good = host.weight > 0
    variance = np.divide(1.0, host.weight, out=np.zeros_like(host.weight), where=good)
    variance = np.minimum(variance, np.quantile(variance[good], 0.995))
    # Every line is taken away too little or too much by itself, and some are not left at all.
    lines, n_lines = label(variance > np.median(variance[good]))
    share = rng.uniform(*RANGES["sky_residual"]["lines"])
    left = rng.exponential(size=n_lines + 1) * (rng.random(n_lines + 1) < share)
    uneven = variance * left[lines]
    shape = variance if rng.random() < 0.3 or not uneven.any() else uneven
    shape = shape + rng.normal(0, 0.5) * np.gradient(shape)
    significance = draw_log(RANGES["sky_residual"]["significance"], rng)
    return rng.choice([-1, 1]) * host.scale(shape, significance)


def _cosmic_rays(host: Host, rng: np.random.Generator) -> NDArray:
    added = np.zeros(len(host.rest))
    step = np.log10(host.rest[1] / host.rest[0])
    good = np.flatnonzero(host.weight > 0)
    count = int(rng.uniform(*RANGES["cosmic_rays"]["count"]))
    for pixel in rng.choice(good, count):
        # 1 to 4 detector pixels of 0.8 Å, on the logarithmic grid.
        width = 0.8 * rng.integers(1, 5) / (host.observed[pixel] * np.log(10) * step)
        distance = np.abs(np.arange(len(added)) - pixel)
        shape = np.clip(0.5 * width + 0.5 - distance, 0, 1)
        added += host.scale(shape, draw_log(RANGES["cosmic_rays"]["significance"], rng))
    return added


def _scattered_light(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["scattered_light"]
    distance = (host.observed - rng.uniform(*ranges["centre"])) / rng.uniform(*ranges["width"])
    # The wings of what is scattered are its telescope's and its grating's.
    shape = np.exp(-0.5 * distance**2) if rng.random() < 0.5 else 1 / (1 + distance**2)
    return rng.choice([-0.6, 1]) * host.level * draw_log(ranges["height"], rng) * shape


def _fringes(host: Host, rng: np.random.Generator) -> NDArray:
    period = rng.uniform(*RANGES["fringes"]["period"])
    phase = rng.uniform(0, 2 * np.pi)
    growth = np.clip((host.observed - 8000) / 1800, 0, 1)
    wave = np.sin(2 * np.pi * host.observed / period + phase)
    return host.model * growth * wave * draw_log(RANGES["fringes"]["amplitude"], rng)


def _excess_noise(host: Host, rng: np.random.Generator) -> NDArray:
    low, high = host.spans[rng.integers(len(host.spans))]
    inside = (host.observed >= low) & (host.observed < high) & (host.weight > 0)
    inside &= rng.random(len(inside)) < rng.uniform(*RANGES["excess_noise"]["share"])
    sigma = np.divide(1, np.sqrt(host.weight), out=np.zeros_like(host.rest), where=inside)
    significance = draw_log(RANGES["excess_noise"]["significance"], rng)
    return host.scale(sigma * rng.normal(size=len(sigma)), significance)


def _flux_calibration(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["flux_calibration"]
    if rng.random() < 0.5:
        # A curve through standards that are wrong here and there.
        first, last = host.observed[[0, -1]]
        knots = np.arange(first, last, draw_log(ranges["period"], rng))
        error = np.interp(host.observed, knots, rng.normal(size=len(knots)))
    else:
        error = np.zeros_like(host.observed)
        for _ in range(rng.integers(1, 4)):
            period = draw_log(ranges["period"], rng)
            error += rng.normal() * np.sin(2 * np.pi * (host.observed / period + rng.random()))
    return host.model * error * draw_log(ranges["amplitude"], rng)


FAULTS: dict[str, Draw] = {
    "arm_offset": _arm_offset,
    "sky_residual": _sky_residual,
    "cosmic_rays": _cosmic_rays,
    "scattered_light": _scattered_light,
    "fringes": _fringes,
    "excess_noise": _excess_noise,
    "flux_calibration": _flux_calibration,
}
