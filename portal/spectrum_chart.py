"""The chart of one spectrum: flux and reconstruction, residual and bad pixels on one axis."""

import warnings

import altair as alt
import pandas as pd

from catalog_schema import tables
from portal.columns import write_unit
from portal.lines import Line
from portal.spectrum import Curves, robust_range

Masked = list[tuple[str, float, float, int]]

# One zoom for all panels is what is wanted; the library warns that it makes one of three.
warnings.filterwarnings("ignore", message="Automatically deduplicated selection parameter")

_FLUX, _MODEL, _BAND = "flux", "reconstruction", "±1 sigma"
_CURVES = {_BAND: "#56B4E9", _FLUX: "#3D3D3D", _MODEL: "#D55E00"}
_LINE_STYLES = {"emission": ("#0072B2", [1, 0]), "absorption": ("#A0457A", [4, 3])}


def draw_spectrum(
    curves: Curves, masked: Masked, lines: list[Line], scale: float, frame: str, full: bool
) -> alt.VConcatChart:
    """Draw a spectrum.

    Parameters
    ----------
    curves : Curves
    masked : list
        Of `spectrum.list_masked`.
    lines : list of Line
        Markers at observed wavelengths.
    scale : float
        Divides every wavelength: 1 + z for the rest frame.
    frame : str
        Name of the frame for the axis.
    full : bool
        Whether the axes hold pixels that dwarf all others too.
    """
    data = _make_frame(curves, scale)
    zoom = alt.selection_interval(bind="scales", encodings=["x"])
    domain = [float(data["wave"].iloc[0]), float(data["wave"].iloc[-1])]
    x = alt.X("wave:Q", scale=alt.Scale(domain=domain, nice=False))
    bare = x.axis(alt.Axis(title=None, labels=False, ticks=False))
    titled = x.title(f"Vacuum wavelength, {frame} frame (Å)")
    layers = [
        *_draw_flux(data, bare, _find_domain(pd.concat([data["flux"], data["model"]]), full)),
        *_draw_lines(lines, scale),
    ]
    panels: list[alt.Chart | alt.LayerChart] = [alt.LayerChart(layer=layers, height=330)]
    if masked:
        panels.append(_draw_masked(masked, bare, scale))
    panels.append(_draw_residual(data, titled, _find_domain(data["residual"], full)))
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = alt.vconcat(*panels, spacing=4, autosize=fit).resolve_scale(x="shared")
    return chart.add_params(zoom)


def _make_frame(curves: Curves, scale: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "wave": curves.wave / scale,
            "flux": curves.flux,
            "low": curves.flux - curves.sigma,
            "high": curves.flux + curves.sigma,
            "model": curves.model,
            "residual": curves.residual,
        }
    )


def _find_domain(values: pd.Series, full: bool) -> list[float]:
    if full and values.notna().any():
        return [values.min(), values.max()]
    return list(robust_range(values.to_numpy()))


def _draw_flux(data: pd.DataFrame, x: alt.X, domain: list[float]) -> list[alt.Chart]:
    title = ["Flux density", f"({write_unit(tables.SPECTRA['flux'])})"]
    scale = alt.Scale(domain=domain, nice=False)
    colour = alt.Color("curve:N", title=None, legend=alt.Legend(orient="top")).scale(
        domain=list(_CURVES), range=list(_CURVES.values())
    )
    base = {
        name: alt.Chart(data).transform_calculate(curve=f"'{name}'").encode(x, color=colour)
        for name in _CURVES
    }
    band, flux, model = (base[name] for name in (_BAND, _FLUX, _MODEL))
    return [
        band.mark_area(opacity=0.4, clip=True).encode(
            alt.Y("low:Q", title=title, scale=scale), y2="high:Q"
        ),
        flux.mark_line(strokeWidth=0.8, clip=True).encode(y="flux:Q"),
        model.mark_line(strokeWidth=1.6, clip=True).encode(y="model:Q"),
    ]


def _draw_lines(lines: list[Line], scale: float) -> list[alt.Chart]:
    layers = []
    for kind, (colour, dash) in _LINE_STYLES.items():
        rows = [line._replace(wave=line.wave / scale) for line in lines if line.kind == kind]
        base = alt.Chart(pd.DataFrame(rows, columns=list(Line._fields))).encode(
            alt.X("wave:Q"),
            tooltip=["name:N", "kind:N", alt.Tooltip("wave:Q", format=".1f")],
        )
        layers.append(base.mark_rule(color=colour, strokeDash=dash, opacity=0.6, clip=True))
        names = base.mark_text(
            color=colour, angle=270, align="right", dx=-4, dy=-6, fontSize=11, clip=True
        )
        layers.append(names.encode(y=alt.value(0), text="name:N"))
    return layers


def _draw_residual(data: pd.DataFrame, x: alt.X, domain: list[float]) -> alt.LayerChart:
    low, high = domain
    y = alt.Y("residual:Q", title=["Residual", "(sigma)"]).scale(
        domain=[min(low, -5), max(high, 5)], nice=False
    )
    curve = alt.Chart(data).mark_line(strokeWidth=0.8, color=_CURVES[_FLUX], clip=True).encode(x, y)
    levels = pd.DataFrame({"level": [-3, 0, 3]})
    rules = alt.Chart(levels).mark_rule(color="#8C8C8C", strokeDash=[3, 3]).encode(y="level:Q")
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
            x2="end:Q",
            tooltip=[
                "bit:N", alt.Tooltip("pixels:Q", format=","),
                alt.Tooltip("wave:Q", title="from", format=".1f"),
                alt.Tooltip("end:Q", title="to", format=".1f"),
            ],
        )
        .properties(height=16 * frame["bit"].nunique())
    )  # fmt: skip
