"""A figure of one object: spectrum, reconstruction and residual below each other."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catalog_schema.lines import LINES, MARKED
from pipeline.errors import UserError, needing
from pipeline.lake.files import replacing
from pipeline.plots.candidate import Candidate, find_candidate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
# Of colours that readers with a colour vision deficiency tell apart (Okabe & Ito 2008).
_ARMS = {"b": "#0072B2", "r": "#CC79A7", "z": "#009E73"}
_OTHER_ARM, _MODEL, _MASKED = "#0072B2", "#D55E00", "0.85"
_LINES = {"emission": ("0.25", "-"), "absorption": ("#56B4E9", "--")}
_UNIT = "10$^{-17}$ erg s$^{-1}$ cm$^{-2}$ Å$^{-1}$"
# Shares of the pixels that span an axis; in units of it, how far the axis follows the others, and
# the room beside them.
_ENDS, _REACH, _MARGIN = (0.002, 0.998), 1.0, 0.05
_LEAST_RESIDUAL = 5.0


def plot_candidate(
    place: str | Path,
    targetid: int,
    path: str | Path | None = None,
    version: str | None = None,
) -> "Figure":
    """Draw an object's spectrum, its reconstruction, and the residual in units of the noise.

    Parameters
    ----------
    place : str or Path
        A data root or a release; see `find_candidate`.
    targetid : int
    path : str or Path, optional
        Picture to write: PNG, SVG or PDF by its suffix.
    version : str, optional
        Release of the data root, X.Y.Z; the newest by default.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels over the observed wavelength.

    Raises
    ------
    UserError
        If the suffix is none of these, matplotlib is not installed, or there is no such object.
    DataError
        If a file is damaged.
    """
    file = None if path is None else Path(path)
    if file and file.suffix.lower() not in SUFFIXES:
        raise UserError(f"{file}: name a picture that ends in {', '.join(SUFFIXES)}")
    with needing("release"):
        import matplotlib as mpl
    figure = draw_candidate(find_candidate(Path(place), targetid, version))
    if file:
        kind = file.suffix.lower()[1:]
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        # Text stays text, and the same figure gives the same bytes.
        style = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": str(targetid)})
        with style, replacing(file) as partial:
            figure.savefig(partial, format=kind, metadata=dated)
    return figure


def draw_candidate(candidate: Candidate) -> "Figure":
    """Draw an object that is at hand; see `plot_candidate`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), dpi=120, layout="constrained")
    spectrum, rebuilt, residual = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
    wave, is_good = candidate.sampling.grid.wave, candidate.ivar > 0
    flux = np.where(is_good, candidate.flux, np.nan)
    sigmas = np.where(is_good, (flux - candidate.model) * np.sqrt(candidate.ivar), np.nan)
    limits = _find_limits(np.concatenate([flux, candidate.model[is_good]]))
    _draw_arms(spectrum, candidate, flux)
    spectrum.set(ylabel=f"flux ({_UNIT})", ylim=limits)
    rebuilt.plot(wave, flux, color="0.75", lw=0.4, label="spectrum")
    rebuilt.plot(wave, candidate.model, color=_MODEL, lw=1.0, label="reconstruction")
    rebuilt.set(ylabel=f"flux ({_UNIT})", ylim=limits)
    if not np.isfinite(candidate.model).any():
        rebuilt.text(0.5, 0.5, "no reconstruction", transform=rebuilt.transAxes, ha="center")
    _draw_arms(residual, candidate, sigmas)
    for level in (-3, 3):
        residual.axhline(level, color="0.5", ls="--", lw=0.6)
    low, high = _find_limits(sigmas)
    ends = min(low, -_LEAST_RESIDUAL), max(high, _LEAST_RESIDUAL)
    residual.set(xlabel="observed wavelength in vacuum (Å)", ylabel="residual (σ)", ylim=ends)
    residual.set_xlim(wave[0], wave[-1])
    for axes in (spectrum, rebuilt, residual):
        _draw_masked(axes, wave, ~is_good)
        _draw_lines(axes, candidate.z, is_named=axes is spectrum)
    spectrum.legend(loc="upper right", ncols=4, fontsize="small")
    rebuilt.legend(loc="upper right", ncols=2, fontsize="small")
    figure.suptitle(write_title(candidate), fontsize="medium")
    return figure


def write_title(candidate: Candidate) -> str:
    """Return one line: TARGETID, z, class, tier, p-value and origin, as far as they are known."""
    z, p_value = candidate.z, candidate.p_value
    parts = (
        f"TARGETID {candidate.targetid}",
        "no redshift" if z is None else f"z = {z:.4f}",
        candidate.anomaly_class or "no class",
        f"tier {candidate.tier}" if candidate.tier else "no tier",
        "no p-value" if p_value is None or not np.isfinite(p_value) else f"p = {p_value:.2g}",
        candidate.origin,
    )
    return "   ".join(parts)


def _draw_arms(axes: "Axes", candidate: Candidate, values: NDArray) -> None:
    """Draw a curve in the colours of the arms, which hand over amid their overlaps."""
    wave = candidate.sampling.grid.wave
    for name, (low, high) in candidate.sampling.spans.items():
        # One pixel more, so that the curve has no gap.
        pixels = slice(np.searchsorted(wave, low), np.searchsorted(wave, high) + 1)
        colour = _ARMS.get(name, _OTHER_ARM)
        axes.plot(wave[pixels], values[pixels], color=colour, lw=0.5, label=f"arm {name}")


def _draw_masked(axes: "Axes", wave: NDArray, is_bad: NDArray[np.bool_]) -> None:
    """Shade the pixels without information."""
    axes.fill_between(
        wave,
        0,
        1,
        where=is_bad.tolist(),
        transform=axes.get_xaxis_transform(),
        step="mid",
        color=_MASKED,
        lw=0,
        zorder=0,
        label="masked" if is_bad.any() else None,
    )


def _draw_lines(axes: "Axes", z: float | None, *, is_named: bool) -> None:
    """Mark the lines at the redshift, and name them at the upper edge."""
    if z is None:
        return
    low, high = axes.get_xlim()
    for kind, keys in MARKED.items():
        colour, dash = _LINES[kind]
        for key in keys:
            place = LINES[key].wave * (1 + z)
            if not low < place < high:
                continue
            axes.axvline(place, color=colour, ls=dash, lw=0.4, alpha=0.6, zorder=1)
            if is_named and kind == "emission":
                axes.annotate(
                    LINES[key].name,
                    (place, 1.01),
                    xycoords=axes.get_xaxis_transform(),
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize="x-small",
                )


def _find_limits(values: NDArray) -> tuple[float, float]:
    """Return ends of an axis that hold every value unless a few dwarf all others."""
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    low, high = np.quantile(known, _ENDS)
    span = float(high - low) or 1.0
    low, high = max(known.min(), low - _REACH * span), min(known.max(), high + _REACH * span)
    return float(low - _MARGIN * span), float(high + _MARGIN * span)
