"""Drawings of the evidence of a release: tail of the p-values, planted features, controls."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.vocabulary import Tier
from pipeline.science.shares import find_share_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Mapping[str, NDArray]

_N_COLUMNS = 4
_THIRDS = ("low", "middle", "high")
_FOUND = {"found": "#0072B2", "in a tier": "#D55E00"}


def plot_tail(axes: "Axes", p_values: Rows) -> None:
    """Draw the share of objects below every p-value beside the p-value itself.

    Parameters
    ----------
    axes : Axes
    p_values : mapping of str to ndarray, shape (n,)
        By name; NaN is left out.
    """
    size = 1
    for name, values in p_values.items():
        known = np.sort(values[np.isfinite(values)])
        size = max(size, len(known))
        axes.step(known, (np.arange(len(known)) + 1) / max(len(known), 1), where="post", label=name)
    place = np.logspace(-np.log10(size) - 1, 0, 60)
    count = size * place
    band = [beta.ppf(q, np.maximum(count, 0.5), size - count + 1) for q in (0.025, 0.975)]
    axes.fill_between(place, *band, color="0.85", label="95 % of surveys without anomalies")
    axes.plot(place, place, color="black", ls="--", lw=0.8)
    axes.set(xlabel="p-value", ylabel="share at or below", xscale="log", yscale="log")
    axes.legend()


def plot_strengths(figure: "Figure", injections: Rows) -> None:
    """Draw for every kind of planted feature what share is found at which strength.

    Parameters
    ----------
    figure : Figure
    injections : mapping of str to ndarray, shape (n,)
        Columns of `injections`.
    """
    kinds, found = np.unique(injections["injection"]), find_found(injections)
    n_rows = max(-(-len(kinds) // _N_COLUMNS), 1)
    figure.set_size_inches(7, 1.7 * n_rows + 0.3)
    panels = figure.subplots(n_rows, _N_COLUMNS, sharex=True, sharey=True, squeeze=False)
    for kind, axes in zip(kinds, panels.flat, strict=False):
        mine = injections["injection"] == kind
        strengths = np.unique(injections["planted"][mine])
        for name, is_so in found.items():
            share = [np.mean(is_so[mine & (injections["planted"] == s)]) for s in strengths]
            axes.plot(strengths, share, marker="o", ms=3, color=_FOUND[name], label=name)
        axes.set_title(kind.replace("_", " "), fontsize="small")
        axes.set(xscale="log", ylim=(-0.05, 1.05))
        axes.set_xticks(strengths, [f"{s:g}" for s in strengths])
        axes.minorticks_off()
    for axes in panels.flat[len(kinds) :]:
        axes.set_axis_off()
    figure.supxlabel("strength (σ)")
    figure.supylabel("share")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)


def plot_conditions(figure: "Figure", injections: Rows) -> None:
    """Draw what share of every kind is found by thirds of signal-to-noise ratio and redshift.

    Parameters as of `plot_strengths`; the features are those of at least the median strength.
    """
    strong = injections["planted"] >= np.median(injections["planted"])
    rows = {name: values[strong] for name, values in injections.items()}
    kinds = np.unique(rows["injection"])
    cells = 3 * _find_thirds(rows["snr"]) + _find_thirds(rows["Z"])
    figure.set_size_inches(7, 0.25 * len(kinds) + 1.4)
    panels = figure.subplots(1, len(_FOUND), sharey=True)
    for axes, (name, is_so) in zip(panels, find_found(rows).items(), strict=True):
        share = np.full((len(kinds), 9), np.nan)
        for row, kind in enumerate(kinds):
            for cell in range(9):
                mine = (rows["injection"] == kind) & (cells == cell)
                share[row, cell] = is_so[mine].mean() if mine.any() else np.nan
        # Centred on whole numbers, from the top downwards.
        image = axes.pcolormesh(range(9), range(len(kinds)), share, vmin=0, vmax=1)
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.set_title(name, fontsize="small", pad=16)
        axes.set_xticks(range(9), [f"z {z}" for z in _THIRDS] * 3, rotation=90, fontsize="x-small")
        axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
        for third, label in enumerate(_THIRDS):
            axes.text(3 * third + 1, -0.6, f"SNR {label}", ha="center", fontsize="x-small")
        for edge in (2.5, 5.5):
            axes.axvline(edge, color="white")
    bar = figure.colorbar(image, ax=panels, label="share")
    if bar.solids is not None:
        # Drawn, not an image in the drawing.
        bar.solids.set_rasterized(False)


def plot_controls(axes: "Axes", controls: Rows) -> None:
    """Draw which share of every kind of negative control looks strange, with its 95 % interval.

    Parameters
    ----------
    axes : Axes
    controls : mapping of str to ndarray, shape (n,)
        Columns of `controls`.
    """
    kinds, found = np.unique(controls["control"]), find_found(controls)
    for shift, (name, is_so) in zip((-0.1, 0.1), found.items(), strict=True):
        of_kind = [is_so[controls["control"] == kind] for kind in kinds]
        share = np.array([each.mean() for each in of_kind])
        low, high = np.transpose([find_share_interval(int(e.sum()), len(e)) for e in of_kind])
        axes.errorbar(
            np.arange(len(kinds)) + shift,
            share,
            yerr=[share - low, high - share],
            fmt="o",
            color=_FOUND[name],
            label=name,
        )
    labels = [f"{k} ({(controls['control'] == k).sum()})" for k in kinds]
    axes.set_xticks(range(len(kinds)), labels)
    axes.axhline(STRANGE_P_VALUE, color="black", ls=":", lw=0.8)
    axes.set(ylabel="share", ylim=(-0.05, 1.05), xlim=(-0.5, len(kinds) - 0.5))
    axes.legend()


def find_found(rows: Rows) -> dict[str, NDArray[np.bool_]]:
    """Tell which rows have a joint p-value below 0.01, and which are in a tier, each (n,)."""
    with np.errstate(invalid="ignore"):
        found = rows["joint_p_value"] < STRANGE_P_VALUE
    return {"found": found, "in a tier": rows["tier"] != Tier.NONE.value}


def _find_thirds(values: NDArray) -> NDArray[np.intp]:
    """Return in which third of the values each lies, 0 to 2, shape (n,)."""
    return np.searchsorted(np.quantile(values, (1 / 3, 2 / 3)), values)
