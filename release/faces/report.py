"""The validation report: one HTML page that needs nothing else, from the figures in a release."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.grids import Grid
from catalog_schema.vocabulary import Tier
from release.faces.evidence_plots import (
    plot_conditions,
    plot_controls,
    plot_strengths,
    plot_tail,
)
from release.faces.face import Face, Manifest
from release.manifest import find_kind
from release.rendering import render
from release.tables.spectra import read_grid, read_spectra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "validation/report.html"
_FOUND = ("joint_p_value", "tier")
_COLUMNS = ("TARGETID", "TARGET_RA", "TARGET_DEC", "snr", "p_value", "anomaly_score", *_FOUND)
_N_BINS = 20
_N_SPECTRA = 3
_N_SNR_BINS = 10
_LEVELS = (0.01, 0.05, 0.1)
# Points of the sky map; more are not told apart and make the page heavy.
_MAX_POINTS = 3000
_SMOOTHING = 15
# Without them every run would name the parts of a drawing anew.
_REPRODUCIBLE: Any = {"svg.hashsalt": "desi-qad", "svg.fonttype": "none"}


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``validation/report.html``."""
    rows = _read(folder / find_kind(manifest).main_file, _COLUMNS)
    controls = _read(folder / contents.CONTROLS, ("control", *_FOUND))
    injections = _read(folder / contents.INJECTIONS, ("injection", "planted", "snr", "Z", *_FOUND))
    null = pq.read_table(folder / contents.NULL, columns=["anomaly_score"])
    plots = {
        "p-values": _draw(partial(_plot_p_values, p_value=rows["p_value"])),
        "Smallest p-values": _draw(
            partial(plot_tail, p_values={name: rows[name] for name in ("p_value", "joint_p_value")})
        ),
        "Scores": _draw(
            partial(
                _plot_scores, score=rows["anomaly_score"], null=null["anomaly_score"].to_numpy()
            )
        ),
        "Signal-to-noise ratio": _draw(partial(_plot_by_snr, rows=rows)),
        "Sky": _draw(partial(_plot_sky, rows=rows), projection="mollweide"),
    }
    if len(controls["control"]):
        plots["Negative controls"] = _draw(partial(plot_controls, controls=controls))
    if len(injections["injection"]):
        plots["Planted features by strength"] = _draw_figure(
            partial(plot_strengths, injections=injections)
        )
        plots["Planted features by signal-to-noise ratio and redshift"] = _draw_figure(
            partial(plot_conditions, injections=injections)
        )
    grid = read_grid(folder)
    for targetid, spectrum in _read_strangest(folder).items():
        plot = partial(_plot_spectrum, spectrum=spectrum, grid=grid)
        plots[f"TARGETID {targetid}"] = _draw(plot)
    facts = {**manifest, "waist": find_kind(manifest).waist, "plots": plots, "grades": list(Tier)}
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(render("report.html.j2", facts), encoding="utf-8")


def average_pixels(values: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ma.MaskedArray]:
    """Average a spectrum over runs of 15 pixels, as far as they are not NaN.

    Parameters
    ----------
    values : ndarray, shape (p,)
    grid : Grid
        Of the observed spectra.

    Returns
    -------
    wave : ndarray, shape (p // 15,)
        Angstrom, observed frame.
    mean : masked ndarray, shape (p // 15,)
    """
    size = len(values) // _SMOOTHING * _SMOOTHING
    wave = grid.to_wave(np.arange(_SMOOTHING // 2, size, _SMOOTHING))
    return wave, np.ma.masked_invalid(values[:size].reshape(-1, _SMOOTHING)).mean(axis=1)


def _read(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return columns of a table, NaN for null."""
    table = pq.read_table(path, columns=list(names))
    return {name: table[name].to_numpy() for name in names}


def _draw(plot: "Callable[[Axes], None]", projection: str | None = None) -> str:
    """Return a plot as SVG."""
    return _draw_figure(lambda figure: plot(figure.add_subplot(projection=projection)))


def _draw_figure(plot: "Callable[[Figure], None]") -> str:
    """Return a figure of one or more plots as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_REPRODUCIBLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        plot(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    # Inside HTML a drawing has no XML declaration.
    return text.getvalue()[text.getvalue().index("<svg") :]


def _plot_p_values(axes: "Axes", p_value: np.ndarray) -> None:
    axes.hist(p_value, bins=_N_BINS, range=(0, 1), color="#0072B2")
    axes.axhline(len(p_value) / _N_BINS, color="black", ls="--", label="no anomalies")
    axes.set(xlabel="p-value", ylabel="objects")
    axes.legend()


def _plot_scores(axes: "Axes", score: np.ndarray, null: np.ndarray) -> None:
    edges = np.histogram_bin_edges(np.concatenate([score, null]), bins=40)
    for values, name in ((null, "null population"), (score, "catalogue")):
        axes.hist(values, bins=edges.tolist(), density=True, histtype="step", label=name)
    axes.set(xlabel="anomaly score", ylabel="density", yscale="log")
    axes.legend()


def _plot_by_snr(axes: "Axes", rows: Mapping[str, np.ndarray]) -> None:
    order = np.argsort(rows["snr"], kind="stable")
    bins = np.array_split(order, min(_N_SNR_BINS, len(order)))
    place = [np.median(rows["snr"][chosen]) for chosen in bins]
    for level in _LEVELS:
        share = [np.mean(rows["p_value"][chosen] <= level) for chosen in bins]
        axes.plot(place, share, marker="o", label=f"p ≤ {level}")
        axes.axhline(level, color="black", ls=":", lw=0.8)
    axes.set(xlabel="median signal-to-noise ratio", ylabel="share of objects", xscale="log")
    axes.legend()


def _plot_sky(axes: "Axes", rows: Mapping[str, np.ndarray]) -> None:
    step = max(len(rows["snr"]) // _MAX_POINTS, 1)
    lon = -np.radians((rows["TARGET_RA"] - 120 + 180) % 360 - 180)
    lat = np.radians(rows["TARGET_DEC"])
    is_graded = rows["tier"] != Tier.NONE.value
    axes.scatter(lon[::step], lat[::step], s=1, color="0.7", label="scored")
    axes.scatter(lon[is_graded], lat[is_graded], s=6, color="#D55E00", label="graded")
    axes.set(xticklabels=[])
    axes.grid(lw=0.3)
    axes.legend(loc="lower right")


def _plot_spectrum(axes: "Axes", spectrum: Mapping[str, np.ndarray], grid: Grid) -> None:
    flux = np.where(spectrum["ivar"] > 0, spectrum["flux"], np.nan)
    for values, name in ((flux, "flux"), (spectrum["model"], "reconstruction")):
        axes.plot(*average_pixels(values, grid), lw=0.8, label=name)
    axes.set(xlabel="wavelength (Å, vacuum)", ylabel="flux (1e-17 erg/s/cm²/Å)")
    axes.legend()


def _read_strangest(folder: Path) -> dict[int, dict[str, np.ndarray]]:
    """Return the spectra of the strangest objects, strangest first."""
    anomalies = pq.read_table(folder / contents.ANOMALIES, columns=["TARGETID"])
    wanted = anomalies["TARGETID"].to_pylist()[:_N_SPECTRA]
    rows = read_spectra(folder, wanted, ("flux", "ivar", "model"))
    return {
        row.pop("TARGETID"): {name: np.array(values, dtype=float) for name, values in row.items()}
        for row in rows.to_pylist()
    }


FACE = Face(
    name="report",
    files=(FILE,),
    paragraph="Calibration, controls, planted features, sky and the strangest spectra, drawn.",
    write=write,
    not_read="it draws, and holds no rows",
    needs=(contents.SPECTRA,),
)
