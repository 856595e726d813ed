"""Shares of a count, with their intervals."""

from scipy.stats import binomtest


def find_share_interval(n_found: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 per cent interval of a share; all of it where nothing was looked at."""
    if not n:
        return 0.0, 1.0
    interval = binomtest(n_found, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
