"""What a score or a latent should not know: signal-to-noise, redshift, depth, dust."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

_NEIGHBOURS, _FOLDS = 20, 5
# The variance of a rank correlation is a little larger than Pearson's (Fieller et al. 1957).
_RANK_VARIANCE = 1.06
_Z95 = 1.96
_MAD_TO_SIGMA = 1.4826
# Error of a redshift, over 1 + z, beyond which it counts as another one.
_OUTLIER = 0.05


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of n pairs with its 95 per cent interval."""

    n: int
    rho: float
    low: float
    high: float


@dataclass(frozen=True)
class Leak:
    """How well a latent tells the redshift.

    Attributes
    ----------
    sigma : float
        Normalised median absolute deviation of (z' - z) / (1 + z), z' predicted from the latent of
        spectra that the predictor has not seen.
    outliers : float
        Share with |z' - z| / (1 + z) above 0.05.
    no_skill : float
        Sigma of a predictor without the latent: the median redshift.
    importance : ndarray, shape (k,)
        By how much sigma grows when one dimension is shuffled.
    """

    sigma: float
    outliers: float
    no_skill: float
    importance: NDArray[np.float64]


def correlate(score: NDArray, condition: NDArray) -> Correlation | None:
    """Return the rank correlation of two quantities, shape (n,); None below four finite pairs.

    The interval is Fisher's.
    """
    known = np.isfinite(score) & np.isfinite(condition)
    n = int(known.sum())
    ranks = rankdata(score[known]), rankdata(condition[known])
    if n < 4 or min(np.ptp(values) for values in ranks) == 0:
        return None
    rho = float(np.corrcoef(*ranks)[0, 1])
    middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    margin = _Z95 * np.sqrt(_RANK_VARIANCE / (n - 3))
    low, high = np.tanh([middle - margin, middle + margin])
    return Correlation(n, rho, float(low), float(high))


def measure_leak(latent: NDArray, z: NDArray, seed: int = 0) -> Leak:
    """Predict the redshift from the latent by nearest neighbours, cross-validated.

    Parameters
    ----------
    latent : ndarray, shape (n, k)
    z : ndarray, shape (n,)
        At least as many as folds and neighbours ask for, 25.
    seed : int
        Of the folds and the shuffles.
    """
    from sklearn.neighbors import KNeighborsRegressor

    rng = np.random.default_rng(seed)
    scaled = (latent - latent.mean(0)) / np.maximum(latent.std(0), 1e-12)
    fold = rng.permutation(len(z)) % _FOLDS
    shuffled = np.zeros((latent.shape[1], len(z)))
    predicted = np.zeros(len(z))
    for k in range(_FOLDS):
        seen, unseen = fold != k, np.flatnonzero(fold == k)
        model = KNeighborsRegressor(min(_NEIGHBOURS, int(seen.sum()))).fit(scaled[seen], z[seen])
        predicted[unseen] = model.predict(scaled[unseen])
        for axis in range(latent.shape[1]):
            changed = scaled[unseen]
            changed[:, axis] = rng.permutation(changed[:, axis])
            shuffled[axis, unseen] = model.predict(changed)
    sigma = _spread(predicted, z)
    importance = np.array([_spread(values, z) - sigma for values in shuffled])
    outliers = float((np.abs(predicted - z) / (1 + z) > _OUTLIER).mean())
    return Leak(sigma, outliers, _spread(np.median(z), z), importance)


def _spread(predicted: NDArray | float, z: NDArray) -> float:
    return float(_MAD_TO_SIGMA * np.median(np.abs(predicted - z) / (1 + z)))
