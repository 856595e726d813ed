"""The chart of one spectrum: flux and reconstruction, residual and bad pixels on one axis.

A browser takes a second for the 8,000 pixels of four curves. It gets the extremes of every few of
them, which look the same on a screen, and of those that it has zoomed in on so many more.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from catalog_schema import tables
from portal.data.columns import write_unit
from portal.data.evidence import PEAK_COLUMNS
from portal.data.lines import Line
from portal.data.spectrum import (
    Array,
    Curves,
    pick_extremes,
    robust_range,
    size_block,
    split_pixels,
)
from portal.drawing.charts import Chart, write_spec

Masked = list[tuple[str, float, float, int]]

# Middle tones, which show on light and on dark ground.
_MODEL, _BAND, _NORMAL = "reconstruction", "±1 sigma", "normal spectra alike"
_ARMS = {"b": "#3B8BC9", "r": "#C05A9A", "z": "#129C73"}
_CURVES = {
    **{f"flux {arm}": colour for arm, colour in _ARMS.items()},
    _MODEL: "#E69F00",
    _NORMAL: "#8C8C8C",
    _BAND: "#7FB8DC",
}
_CURVE_SCALE = alt.Scale(domain=list(_CURVES), range=list(_CURVES.values()))
_LINE_STYLES = {"emission": ("#3B8BC9", [1, 0]), "absorption": ("#C05A9A", [4, 3])}
NO_PEAKS = pd.DataFrame(columns=list(PEAK_COLUMNS))
NO_NORMALS = pd.DataFrame(columns=["TARGETID", "wave", "flux"])
# Name under which the chart reports the wavelengths that it is zoomed in on.
ZOOM = "zoom"
# Where the axes end. A table has them, so that the specification stays from object to object.
_ENDS = tuple(f"{name}_{end}" for name in ("wave", "flux", "residual") for end in ("low", "high"))
_PEAKS = {"excess": "#E69F00", "lack": "#3B8BC9"}


@dataclass(frozen=True)
class Beside:
    """What is drawn with a spectrum, all of it at observed wavelengths.

    Attributes
    ----------
    masked : list
        Of `spectrum.list_masked`.
    lines : list of Line
    peaks : pandas.DataFrame
        Of `evidence.list_peaks`.
    normals : pandas.DataFrame
        Spectra to compare with: columns TARGETID, wave, flux; may be empty.
    """

    masked: Masked
    lines: list[Line]
    peaks: pd.DataFrame
    normals: pd.DataFrame


@dataclass(frozen=True)
class View:
    """How a spectrum is looked at.

    Attributes
    ----------
    scale : float
        Divides every wavelength: 1 + z for the rest frame.
    frame : str
        Name of the frame for the axis.
    full : bool
        Whether the axes hold pixels that dwarf all others too.
    window : tuple of float, or None
        Wavelengths of this frame that are zoomed in on.
    """

    scale: float = 1.0
    frame: str = "observed"
    full: bool = False
    window: tuple[float, float] | None = None


def draw_spectrum(curves: Curves, arms: list[str], beside: Beside, view: View) -> Chart:
    """Draw a spectrum.

    Parameters
    ----------
    curves : Curves
    arms : list of str
        Arm of each pixel.
    beside : Beside
    view : View
    """
    wave = curves.wave / view.scale
    masked = pd.DataFrame(beside.masked, columns=["bit", "wave", "end", "pixels"])
    masked[["wave", "end"]] /= view.scale
    peaks = beside.peaks.rename(columns={"wave": "at", "low": "wave", "high": "end"})
    peaks[["at", "wave", "end"]] /= view.scale
    shown = {
        **_thin(wave, curves, arms, view.window),
        **_place_lines(beside.lines, view.scale),
        "normals": beside.normals.assign(wave=beside.normals["wave"] / view.scale),
        "masked": masked,
        "peaks": peaks,
    }
    spec = _write_spectrum(
        view.frame, not beside.normals.empty, not peaks.empty, masked["bit"].nunique()
    )
    flux = _find_domain(np.concatenate([curves.flux, curves.model]), view.full)
    residual = _find_domain(curves.residual, view.full)
    limits = (
        wave[0],
        wave[-1],
        *flux,
        min(residual[0], -5.0),
        max(residual[1], 5.0),
    )
    ends = {name: round(float(value), 4) for name, value in zip(_ENDS, limits, strict=True)}
    return Chart(spec, shown | {"levels": pd.DataFrame({"level": [-3, 0, 3]}).assign(**ends)})


def count_merged(wave: Array, view: View) -> int:
    """Return of how many pixels each the chart shows no more than the extremes.

    Parameters
    ----------
    wave : ndarray
        Observed Angstrom.
    view : View
    """
    first, last = _find_part(wave / view.scale, view.window) or (0, len(wave))
    return size_block(last - first)


def _find_part(wave: Array, window: tuple[float, float] | None) -> tuple[int, int] | None:
    if window is None:
        return None
    first, last = np.searchsorted(wave, window)
    return int(first), int(last)


def _thin(
    wave: Array, curves: Curves, arms: list[str], window: tuple[float, float] | None
) -> dict[str, pd.DataFrame]:
    """Return the points of each curve that a screen can tell apart."""
    starts = split_pixels(len(wave), _find_part(wave, window))
    low, high = curves.flux - curves.sigma, curves.flux + curves.sigma
    columns = {
        "wave": wave,
        "flux": curves.flux,
        "model": curves.model,
        "residual": curves.residual,
        "low": low,
        "high": high,
        "arm": [f"flux {arm}" for arm in arms],
    }
    pixels = pd.DataFrame(columns).round(4)
    picked = {
        name: pixels.iloc[pick_extremes(pixels[name].to_numpy(), starts)][["wave", name, *more]]
        for name, more in (("flux", ["arm"]), ("model", []), ("residual", ["arm"]))
    }
    block = np.searchsorted(starts, np.arange(len(wave)), "right")
    band = pixels.groupby(block).agg({"wave": "mean", "low": "min", "high": "max"})
    return {**picked, "band": band}


def _place_lines(lines: list[Line], scale: float) -> dict[str, pd.DataFrame]:
    moved = [line._replace(wave=line.wave / scale) for line in lines]
    return {
        kind: pd.DataFrame([line for line in moved if line.kind == kind], columns=Line._fields)
        for kind in _LINE_STYLES
    }


def _find_domain(values: Array, full: bool) -> tuple[float, float]:
    if full and np.isfinite(values).any():
        return float(np.nanmin(values)), float(np.nanmax(values))
    return robust_range(values)


@cache
def _write_spectrum(frame: str, has_normals: bool, has_peaks: bool, n_bits: int) -> dict[str, Any]:
    """Write the specification of all spectra that have the same panels."""
    x = alt.X("wave:Q", scale=_limit("wave"))
    bare = x.axis(alt.Axis(title=None, labels=False, ticks=False))
    titled = x.title(f"Vacuum wavelength, {frame} frame (Å)")
    layers = [*_draw_flux(bare), *_draw_lines()]
    if has_normals:
        layers.insert(1, _draw_normals())
    panels: list[alt.Chart | alt.LayerChart] = [alt.LayerChart(layer=layers, height=330)]
    if has_peaks:
        panels.append(_draw_peaks(bare))
    if n_bits:
        panels.append(_draw_masked(bare, n_bits))
    panels.append(_draw_residual(titled))
    spec = write_spec(_stack(panels))
    rows = "data('levels')"
    ends = [{"name": end, "expr": f"length({rows}) ? {rows}[0].{end} : 0"} for end in _ENDS]
    return spec | {"params": [*spec["params"], *ends]}


def _limit(name: str) -> alt.Scale:
    """Return a scale whose ends are parameters of the chart."""
    ends = [alt.ExprRef(f"{name}_low"), alt.ExprRef(f"{name}_high")]
    return alt.Scale(domain=ends, nice=False)


def _stack(panels: list[alt.Chart | alt.LayerChart]) -> alt.VConcatChart:
    """Put panels below each other, under one zoom that all of them listen to."""
    names = [f"panel_{number}" for number in range(len(panels))]
    for name, panel in zip(names, panels, strict=True):
        (panel.layer[0] if isinstance(panel, alt.LayerChart) else panel).name = name
    # Added to each panel, the zoom would be several, which the library merges with a warning.
    zoom = alt.TopLevelSelectionParameter(
        name=ZOOM,
        select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]),
        bind="scales",
        views=names,
    )
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = alt.vconcat(*panels, spacing=4, autosize=fit, params=[zoom])
    return chart.resolve_scale(x="shared")


def _draw_flux(x: alt.X) -> list[alt.Chart]:
    title = ["Flux density", f"({write_unit(tables.SPECTRA['flux'])})"]
    legend = alt.Legend(orient="top", symbolOpacity=1, columns=2)
    arm = alt.Color("arm:N", scale=_CURVE_SCALE)
    band = alt.Chart(alt.NamedData("band")).mark_area(opacity=0.35, clip=True)
    flux = alt.Chart(alt.NamedData("flux")).mark_line(strokeWidth=0.8, clip=True)
    model = alt.Chart(alt.NamedData("model")).mark_line(strokeWidth=1.8, clip=True)
    return [
        band.encode(
            x,
            alt.Y("low:Q", title=title, scale=_limit("flux")),
            y2=alt.Y2("high:Q"),
            color=_name_curve(_BAND),
        ),
        flux.encode(x, alt.Y("flux:Q"), color=arm.title(None).legend(legend)),
        model.encode(x, y=alt.Y("model:Q"), color=_name_curve(_MODEL)),
    ]


def _name_curve(name: str) -> alt.ColorDatum:
    """Colour a curve by its name, which needs no column."""
    return alt.ColorDatum(name, type="nominal")


def _draw_normals() -> alt.Chart:
    marks = alt.Chart(alt.NamedData("normals")).mark_line(strokeWidth=0.9, opacity=0.55, clip=True)
    return marks.encode(
        alt.X("wave:Q"),
        alt.Y("flux:Q"),
        detail=alt.Detail("TARGETID:N"),
        color=_name_curve(_NORMAL),
    )


def _draw_peaks(x: alt.X) -> alt.Chart:
    """Draw the strip of evidence: how far each filter reaches, the stranger the fuller."""
    shade = alt.condition(
        "datum.kind == 'excess'", alt.value(_PEAKS["excess"]), alt.value(_PEAKS["lack"])
    )
    return (
        alt.Chart(alt.NamedData("peaks"))
        .mark_bar(clip=True, minBandSize=3, strokeWidth=2)
        .encode(
            x,
            alt.Y("kind:N", title=None),
            x2=alt.X2("end:Q"),
            color=shade,
            stroke=shade,
            opacity=alt.Opacity("departure:Q", legend=None).scale(
                domain=[0, 6], range=[0.05, 0.8], clamp=True
            ),
            tooltip=[
                alt.Tooltip("kind:N"),
                alt.Tooltip("width:Q", title="filter width (pixels)"),
                alt.Tooltip("at:Q", format=".1f"),
                alt.Tooltip("departure:Q", title="spreads above normal", format=".2f"),
            ],
        )
        .properties(height=44)
    )


def _draw_lines() -> list[alt.Chart]:
    layers = []
    for kind, (colour, dash) in _LINE_STYLES.items():
        base = alt.Chart(alt.NamedData(kind)).encode(
            alt.X("wave:Q"),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("kind:N"),
                alt.Tooltip("wave:Q", format=".1f"),
            ],
        )
        layers.append(base.mark_rule(color=colour, strokeDash=dash, opacity=0.6, clip=True))
        names = base.mark_text(
            color=colour, angle=270, align="right", dx=-4, dy=-6, fontSize=11, clip=True
        )
        layers.append(names.encode(y=alt.value(0), text=alt.Text("name:N")))
    return layers


def _draw_residual(x: alt.X) -> alt.LayerChart:
    y = alt.Y("residual:Q", title=["Residual", "(sigma)"], scale=_limit("residual"))
    curve = alt.Chart(alt.NamedData("residual")).mark_line(strokeWidth=0.8, clip=True)
    curve = curve.encode(x, y, color=alt.Color("arm:N", scale=_CURVE_SCALE))
    levels = alt.Chart(alt.NamedData("levels"))
    rules = levels.mark_rule(color="#8C8C8C", strokeDash=[3, 3]).encode(y=alt.Y("level:Q"))
    return alt.LayerChart(layer=[curve, rules], height=150)


def _draw_masked(x: alt.X, n_bits: int) -> alt.Chart:
    return (
        alt.Chart(alt.NamedData("masked"))
        .mark_bar(color="#CC79A7", clip=True, minBandSize=2, stroke="#CC79A7", strokeWidth=1)
        .encode(
            x,
            alt.Y("bit:N", title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False)),
            x2=alt.X2("end:Q"),
            tooltip=[
                alt.Tooltip("bit:N"),
                alt.Tooltip("pixels:Q", format=","),
                alt.Tooltip("wave:Q", title="from", format=".1f"),
                alt.Tooltip("end:Q", title="to", format=".1f"),
            ],
        )
        .properties(height=16 * n_bits)
    )
