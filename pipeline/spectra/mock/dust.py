"""Dust at the quasar, in galaxies and in the Milky Way."""

import numpy as np


def smc_transmission(rest: np.ndarray, ebv: float) -> np.ndarray:
    """Transmission of dust like the SMC's (Pei 1992, table 4) at `rest` (n,) Å."""
    micron = rest * 1e-4
    terms = (
        (185.0, 0.042, 90.0, 2.0),
        (27.0, 0.08, 5.50, 4.0),
        (0.005, 0.22, -1.95, 2.0),
        (0.010, 9.7, -1.95, 2.0),
        (0.012, 18.0, -1.80, 2.0),
        (0.030, 25.0, 0.0, 2.0),
    )
    curve = np.zeros_like(rest)
    for height, centre, offset, power in terms:
        ratio = (micron / centre) ** power
        curve += height / (ratio + 1 / ratio + offset)
    return 10 ** (-0.4 * curve * (1 + 2.93) * ebv)


def galactic_transmission(wave: np.ndarray, ebv: float) -> np.ndarray:
    """Transmission (n,) of Milky Way dust, R_V = 3.1.

    O'Donnell 1994 in the optical; Cardelli 1989 beyond 9091 Å, where his polynomials end.
    """
    inverse = 1e4 / wave
    y = inverse - 1.82
    a = np.polyval([-0.505, 1.647, -0.827, -1.718, 1.137, 0.701, -0.609, 0.104, 1.0], y)
    b = np.polyval([3.347, -10.805, 5.491, 11.102, -7.985, -3.989, 2.908, 1.952, 0.0], y)
    is_infrared = inverse < 1.1
    a = np.where(is_infrared, 0.574 * inverse**1.61, a)
    b = np.where(is_infrared, -0.527 * inverse**1.61, b)
    return 10 ** (-0.4 * (3.1 * a + b) * ebv)


def calzetti_transmission(rest: np.ndarray, ebv: float) -> np.ndarray:
    """Transmission (n,) of a galaxy's dust on its starlight, R_V = 4.05, at `rest` (n,) Å.

    Calzetti et al. 2000, eq. 4, for 1200 Å to 2.2 µm.
    """
    x = 1e4 / rest
    blue = 2.659 * (-2.156 + x * (1.509 + x * (-0.198 + 0.011 * x))) + 4.05
    red = 2.659 * (-1.857 + 1.040 * x) + 4.05
    return np.asarray(10 ** (-0.4 * np.where(rest < 6300.0, blue, red) * ebv))
