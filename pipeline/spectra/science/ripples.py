"""Ripples of an instrument: the flux multiplied by a wave of one period within one arm."""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from catalog_schema.grids import Sampling
from catalog_schema.vocabulary import Arm
from pipeline.science.measured import Finds
from pipeline.spectra.science.products import ROWS, Factor, multiply

# Waves per Å: periods from what a few resolution elements show to what a model might mistake for
# a line; so close that a wave between two keeps most of its power over an arm of 2300 Å.
_FREQUENCIES = np.linspace(1 / 120, 1 / 12, 240)


class Ripples:
    """Waves in the observed frame; a window begins at the blue end of the spectrograph.

    Parameters
    ----------
    sampling : Sampling
        Of the observed spectra.
    log10_step : float
        Width of a pixel.
    window : int
        Pixels of a window.
    """

    def __init__(self, sampling: Sampling, log10_step: float, window: int) -> None:
        low, _ = sampling.grid.ends
        wave = low * 10 ** (log10_step * np.arange(window))
        self._wave = wave
        phase = 2 * np.pi * wave[:, None] * _FREQUENCIES
        waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        self._parts = {
            arm: slice(*np.searchsorted(wave, limits).tolist())
            for arm, limits in sampling.reaches.items()
        }
        self._waves = {
            arm: Factor(torch.from_numpy(waves[part].T).float().contiguous())
            for arm, part in self._parts.items()
        }

    def measure(self, residual: Tensor, weight: Tensor, model: Tensor) -> dict[str, Tensor]:
        """Return the significance of the best ripple of each arm, each of shape (n,); NaN: no arm.

        With t = m cos and m sin of a period, √((Σ w r t_cos)² + (Σ w r t_sin)²) over the root of
        Σ w m² / 2: the phase is free, so that it does not matter where in its first patch a window
        begins.

        Parameters
        ----------
        residual, weight, model : Tensor, shape (n, m)
        """
        n = len(residual)
        found = {f"ripple_{arm}": torch.full((n,), torch.nan) for arm in Arm.values()}
        for arm in self._parts:
            square, information = self._project(arm, residual, weight, model)
            height = square.amax(1) / information.clamp(min=1e-12)
            is_seen = information > 0
            found[f"ripple_{arm}"] = torch.where(is_seen, height.sqrt(), torch.nan)
        return found

    def locate(
        self, residual: Tensor, weight: Tensor, model: Tensor, z: Tensor
    ) -> dict[str, Finds]:
        """Return amplitude as a part of the flux, middle and period of each arm's best ripple.

        The amplitude is √((Σ w r t_cos)² + (Σ w r t_sin)²) / (½ Σ w m²), its error 1 / √(½ Σ w m²):
        their ratio is what `measure` returns.

        Parameters
        ----------
        residual, weight, model : Tensor, shape (n, m)
        z : Tensor, shape (n,)
        """
        found = {f"ripple_{arm}": Finds.nothing(len(z)) for arm in Arm.values()}
        for arm, part in self._parts.items():
            square, information = (
                each.numpy().astype(np.float64)
                for each in self._project(arm, residual, weight, model)
            )
            best = square.argmax(1)
            seen = np.where(information > 0, information, np.nan)
            period = np.where(information > 0, 1 / _FREQUENCIES[best], np.nan)
            middle = self._wave[part].mean() / (1 + z.numpy().astype(np.float64))
            found[f"ripple_{arm}"] = Finds(
                np.sqrt(square[np.arange(len(z)), best]) / seen,
                1 / np.sqrt(seen),
                np.where(information > 0, middle, np.nan),
                np.full(len(z), np.nan),
                period,
                np.array(
                    [f"ripple of period {each:.1f} Å in arm {arm}" for each in period], object
                ),
            )
        return found

    def _project(
        self, arm: str, residual: Tensor, weight: Tensor, model: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (Σ w r t_cos)² + (Σ w r t_sin)² at every period, (n, periods), and ½ Σ w m²."""
        n, part = len(residual), self._parts[arm]
        signal = torch.zeros(-(-n // ROWS) * ROWS, part.stop - part.start)
        information = torch.empty(n)
        given = [each.numpy() for each in (residual, weight, model, signal, information)]
        _weigh(part.start, *given)
        parts = multiply(signal, self._waves[arm])[:n].reshape(n, 2, -1)
        return parts.square().sum(1), information


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _weigh(first, residual, weight, model, signal, information):  # type: ignore[no-untyped-def]
    """Write w r m and Σ w m² / 2, of as many rows as there are, from the first pixel on."""
    for i in range(len(residual)):
        part = slice(first, first + signal.shape[1])
        left, power, light, product = residual[i, part], weight[i, part], model[i, part], signal[i]
        total = np.float32(0)
        for p in range(len(product)):
            weighted = power[p] * light[p]
            product[p] = weighted * left[p]
            total += weighted * light[p]
        information[i] = np.float32(0.5) * total
