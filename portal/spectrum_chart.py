"""The chart of one spectrum: flux and reconstruction, residual and bad pixels on one axis."""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from catalog_schema import tables
from portal.columns import write_unit
from portal.evidence import PEAK_COLUMNS
from portal.lines import Line
from portal.spectrum import Curves, robust_range

Masked = list[tuple[str, float, float, int]]

# Middle tones, which show on light and on dark ground.
_MODEL, _BAND, _NORMAL = "reconstruction", "±1 sigma", "normal quasars alike"
_ARMS = {"b": "#3B8BC9", "r": "#C05A9A", "z": "#129C73"}
_CURVES = {**{f"flux {arm}": colour for arm, colour in _ARMS.items()}, _MODEL: "#E69F00",
           _NORMAL: "#8C8C8C", _BAND: "#7FB8DC"}  # fmt: skip
_CURVE_SCALE = alt.Scale(domain=list(_CURVES), range=list(_CURVES.values()))
_LINE_STYLES = {"emission": ("#3B8BC9", [1, 0]), "absorption": ("#C05A9A", [4, 3])}
NO_PEAKS = pd.DataFrame(columns=list(PEAK_COLUMNS))
NO_NORMALS = pd.DataFrame(columns=["TARGETID", "wave", "flux"])
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


def draw_spectrum(
    curves: Curves, arms: list[str], beside: Beside, scale: float, frame: str, full: bool
) -> alt.VConcatChart:
    """Draw a spectrum.

    Parameters
    ----------
    curves : Curves
    arms : list of str
        Arm of each pixel.
    beside : Beside
    scale : float
        Divides every wavelength: 1 + z for the rest frame.
    frame : str
        Name of the frame for the axis.
    full : bool
        Whether the axes hold pixels that dwarf all others too.
    """
    data = _make_frame(curves, arms, scale)
    domain = [float(data["wave"].iloc[0]), float(data["wave"].iloc[-1])]
    x = alt.X("wave:Q", scale=alt.Scale(domain=domain, nice=False))
    bare = x.axis(alt.Axis(title=None, labels=False, ticks=False))
    titled = x.title(f"Vacuum wavelength, {frame} frame (Å)")
    layers = [
        *_draw_flux(data, bare, _find_domain(pd.concat([data["flux"], data["model"]]), full)),
        *_draw_lines(beside.lines, scale),
    ]
    if not beside.normals.empty:
        layers.insert(1, _draw_normals(beside.normals, scale))
    panels: list[alt.Chart | alt.LayerChart] = [alt.LayerChart(layer=layers, height=330)]
    if not beside.peaks.empty:
        panels.append(_draw_peaks(beside.peaks, bare, scale))
    if beside.masked:
        panels.append(_draw_masked(beside.masked, bare, scale))
    panels.append(_draw_residual(data, titled, _find_domain(data["residual"], full)))
    return _stack(panels)


def _stack(panels: list[alt.Chart | alt.LayerChart]) -> alt.VConcatChart:
    """Put panels below each other, under one zoom that all of them listen to."""
    names = [f"panel_{number}" for number in range(len(panels))]
    for name, panel in zip(names, panels, strict=True):
        (panel.layer[0] if isinstance(panel, alt.LayerChart) else panel).name = name
    # Added to each panel, the zoom would be several, which the library merges with a warning.
    zoom = alt.TopLevelSelectionParameter(
        name="zoom", select=alt.IntervalSelectionConfig(type="interval", encodings=["x"]),
        bind="scales", views=names,
    )  # fmt: skip
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = alt.vconcat(*panels, spacing=4, autosize=fit, params=[zoom])
    return chart.resolve_scale(x="shared")


def _make_frame(curves: Curves, arms: list[str], scale: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "wave": curves.wave / scale,
            "flux": curves.flux,
            "low": curves.flux - curves.sigma,
            "high": curves.flux + curves.sigma,
            "model": curves.model,
            "residual": curves.residual,
            "arm": [f"flux {arm}" for arm in arms],
        }
    ).round(4)


def _find_domain(values: pd.Series, full: bool) -> list[float]:
    if full and values.notna().any():
        return [values.min(), values.max()]
    return list(robust_range(values.to_numpy()))


def _draw_flux(data: pd.DataFrame, x: alt.X, domain: list[float]) -> list[alt.Chart]:
    title = ["Flux density", f"({write_unit(tables.SPECTRA['flux'])})"]
    scale = alt.Scale(domain=domain, nice=False)
    legend = alt.Legend(orient="top", symbolOpacity=1, columns=3)
    colour = alt.Color("curve:N", title=None, legend=legend, scale=_CURVE_SCALE)
    base = alt.Chart(data).encode(x)
    band = base.transform_calculate(curve=f"'{_BAND}'").mark_area(opacity=0.35, clip=True)
    flux = base.mark_line(strokeWidth=0.8, clip=True)
    model = base.transform_calculate(curve=f"'{_MODEL}'").mark_line(strokeWidth=1.8, clip=True)
    return [
        band.encode(alt.Y("low:Q", title=title, scale=scale), y2=alt.Y2("high:Q"), color=colour),
        flux.encode(y=alt.Y("flux:Q"), color=alt.Color("arm:N", scale=_CURVE_SCALE)),
        model.encode(y=alt.Y("model:Q"), color=colour),
    ]


def _draw_normals(normals: pd.DataFrame, scale: float) -> alt.Chart:
    base = alt.Chart(normals.assign(wave=normals["wave"] / scale))
    return (
        base.transform_calculate(curve=f"'{_NORMAL}'")
        .mark_line(strokeWidth=0.9, opacity=0.55, clip=True)
        .encode(
            alt.X("wave:Q"), alt.Y("flux:Q"), detail=alt.Detail("TARGETID:N"),
            color=alt.Color("curve:N", scale=_CURVE_SCALE),
        )
    )  # fmt: skip


def _draw_peaks(peaks: pd.DataFrame, x: alt.X, scale: float) -> alt.Chart:
    """Draw the strip of evidence: how far each filter reaches, the stranger the fuller."""
    data = peaks.rename(columns={"wave": "at", "low": "wave", "high": "end"})
    data[["at", "wave", "end"]] /= scale
    shade = alt.condition(
        "datum.kind == 'excess'", alt.value(_PEAKS["excess"]), alt.value(_PEAKS["lack"])
    )
    return (
        alt.Chart(data)
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
                alt.Tooltip("kind:N"), alt.Tooltip("width:Q", title="filter width (pixels)"),
                alt.Tooltip("at:Q", format=".1f"),
                alt.Tooltip("departure:Q", title="spreads above normal", format=".2f"),
            ],
        )
        .properties(height=44)
    )  # fmt: skip


def _draw_lines(lines: list[Line], scale: float) -> list[alt.Chart]:
    layers = []
    for kind, (colour, dash) in _LINE_STYLES.items():
        rows = [line._replace(wave=line.wave / scale) for line in lines if line.kind == kind]
        base = alt.Chart(pd.DataFrame(rows, columns=list(Line._fields))).encode(
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


def _draw_residual(data: pd.DataFrame, x: alt.X, domain: list[float]) -> alt.LayerChart:
    low, high = domain
    y = alt.Y("residual:Q", title=["Residual", "(sigma)"]).scale(
        domain=[min(low, -5), max(high, 5)], nice=False
    )
    curve = (
        alt.Chart(data)
        .mark_line(strokeWidth=0.8, clip=True)
        .encode(x, y, color=alt.Color("arm:N", scale=_CURVE_SCALE))
    )
    levels = pd.DataFrame({"level": [-3, 0, 3]})
    rules = (
        alt.Chart(levels).mark_rule(color="#8C8C8C", strokeDash=[3, 3]).encode(y=alt.Y("level:Q"))
    )
    return alt.LayerChart(layer=[curve, rules], height=150)


def _draw_masked(masked: Masked, x: alt.X, scale: float) -> alt.Chart:
    frame = pd.DataFrame(masked, columns=["bit", "wave", "end", "pixels"])
    frame[["wave", "end"]] /= scale
    return (
        alt.Chart(frame)
        .mark_bar(color="#CC79A7", clip=True, minBandSize=2, stroke="#CC79A7", strokeWidth=1)
        .encode(
            x,
            alt.Y("bit:N", title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False)),
            x2=alt.X2("end:Q"),
            tooltip=[
                alt.Tooltip("bit:N"), alt.Tooltip("pixels:Q", format=","),
                alt.Tooltip("wave:Q", title="from", format=".1f"),
                alt.Tooltip("end:Q", title="to", format=".1f"),
            ],
        )
        .properties(height=16 * frame["bit"].nunique())
    )  # fmt: skip
