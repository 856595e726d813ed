"""A static site of the graded objects: a page each with its spectrum; any file server will do."""

import html
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from catalog_schema import contents, kinds
from catalog_schema.column import Table
from catalog_schema.grids import Grid
from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import MatchState
from catalog_schema.waist import ROW_KEY
from release.faces.face import Face, Manifest
from release.faces.report import average_pixels
from release.manifest import find_kind
from release.rendering import load_template
from release.tables.spectra import read_grid

LIST, OBJECTS = "site/anomalies.html", "site/objects"
_STYLE = Path(__file__).parents[1] / "templates" / "site" / "style.css"
# A row of the list, its object and its cells, where Jinja has escaped every text.
_ROW = re.compile(r'href="objects/(\d+)\.html">\d+</a></td>(.*?)</tr>', re.DOTALL)
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)
_SHOWN = ("TARGET_RA", "TARGET_DEC", "Z", "finding", "tier", "anomaly_score", "q_value", "reason")
_N_TOP = 50
# Tables that say more about an object, in rows of their own.
_LONG = {
    path: table
    for path, table in kinds.SPECTRA.files.items()
    if path.startswith("catalog/") and table is not QUASARS and "TARGETID" in table.names
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 900, 320, 50, 10, 270
_PERCENTILES = (0.5, 99.5)


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``site/``: index.html, anomalies.html and ``objects/TARGETID.html``."""
    site = folder / "site"
    (folder / OBJECTS).mkdir(parents=True)
    shutil.copyfile(_STYLE, site / "style.css")
    graded = _read_graded(folder)
    template, waist = load_template("site/list.html.j2"), find_kind(manifest).waist
    for name, heading, rows, is_home in (
        ("index", manifest["title"], graded[:_N_TOP], True),
        ("anomalies", f"{len(graded):,} graded objects", graded, False),
    ):
        facts = {"home": "", "heading": heading, "rows": rows, "is_home": is_home, "waist": waist}
        text = template.render({**manifest, **facts, "columns": _SHOWN})
        (site / f"{name}.html").write_text(text, encoding="utf-8")
    _write_objects(folder / OBJECTS, folder, manifest, graded)


def read_back(folder: Path) -> dict[str, list[str]]:
    """Return the cells of the list, by column, of the objects that have a page."""
    pages = {page.stem for page in (folder / OBJECTS).iterdir()}
    rows = _ROW.findall((folder / LIST).read_text(encoding="utf-8"))
    found = [
        (targetid, *map(html.unescape, _CELL.findall(cells)))
        for targetid, cells in rows
        if targetid in pages
    ]
    names = ("TARGETID", *_SHOWN)
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def _read_graded(folder: Path) -> list[dict[str, str]]:
    """Return the values of every graded object as they are shown, by column, strangest first."""
    names = [column.name for column in QUASARS.scalars]
    rows = pq.read_table(folder / contents.ANOMALIES, columns=names)
    values = zip(*(_show(rows[name]) for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]


def _show(data: pa.ChunkedArray) -> list[str]:
    digits = {pa.float32(): "{:.5g}", pa.float64(): "{:.9g}"}.get(data.type, "{}")
    return ["" if value is None else digits.format(value) for value in data.to_pylist()]


def _write_objects(
    folder: Path,
    release: Path,
    manifest: Mapping[str, Any],
    graded: Sequence[Mapping[str, str]],
) -> None:
    template = load_template("site/object.html.j2")
    ids = [row["TARGETID"] for row in graded]
    place = {targetid: number for number, targetid in enumerate(ids)}
    notes = _read_notes(release, ids)
    grid = read_grid(release)
    for targetid, plot in _draw_spectra(release, place.keys(), grid):
        number = place[targetid]
        page = template.render(
            {
                **manifest,
                "home": "../",
                "values": graded[number],
                "rank": number + 1,
                "n_graded": len(graded),
                "before": ids[number - 1] if number else None,
                "after": ids[number + 1] if number + 1 < len(ids) else None,
                "plot": plot,
                "tables": notes[targetid],
                "columns": QUASARS.scalars,
            }
        )
        (folder / f"{targetid}.html").write_text(page, encoding="utf-8")


def _read_notes(release: Path, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the long tables by object, with the columns that say something."""
    notes: dict[str, list[dict[str, Any]]] = {targetid: [] for targetid in ids}
    is_graded = pc.field("TARGETID").isin([int(targetid) for targetid in ids])
    for path, table in _LONG.items():
        is_shown = is_graded
        if "match_state" in table.names:
            is_shown &= pc.field("match_state") != MatchState.NOT_QUERIED.value
        rows = ds.dataset(release / path).to_table(filter=is_shown)
        names = _find_telling(rows, table)
        values = zip(*(_show(rows[name]) for name in names), strict=True)
        for targetid, row in zip(_show(rows["TARGETID"]), values, strict=True):
            if not notes[targetid] or notes[targetid][-1]["name"] != table.name:
                notes[targetid].append({"name": table.name, "columns": names, "rows": []})
            notes[targetid][-1]["rows"].append(row)
    return notes


def _find_telling(rows: pa.Table, table: Table) -> list[str]:
    names = [column.name for column in table.scalars if column.name not in ROW_KEY]
    return [name for name in names if rows[name].null_count < rows.num_rows]


def _draw_spectra(release: Path, wanted: Any, grid: Grid) -> Iterator[tuple[str, dict[str, Any]]]:
    names = ["TARGETID", "flux", "ivar", "model"]
    with pq.ParquetFile(release / contents.SPECTRA) as file:
        for batch in file.iter_batches(64, columns=names):
            ids = [str(targetid) for targetid in batch["TARGETID"].to_pylist()]
            arrays = [batch[name].flatten().to_numpy().reshape(len(ids), -1) for name in names[1:]]
            for targetid, flux, ivar, model in zip(ids, *arrays, strict=True):
                if targetid in wanted:
                    yield targetid, _draw(np.where(ivar > 0, flux, np.nan), model, grid)


def _draw(flux: np.ndarray, model: np.ndarray, grid: Grid) -> dict[str, Any]:
    """Return the paths and ticks of a spectrum in the coordinates of its drawing."""
    wave, flux_mean = average_pixels(flux, grid)
    _, model_mean = average_pixels(model, grid)
    known = np.ma.concatenate([flux_mean, model_mean]).compressed()
    low, high = np.percentile(known, _PERCENTILES) if len(known) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    x = _LEFT + (wave - wave[0]) / (wave[-1] - wave[0]) * (_WIDTH - _LEFT)

    def to_y(values: Any) -> Any:
        return _BOTTOM - (np.clip(values, low, high) - low) / (high - low) * (_BOTTOM - _TOP)

    x_ticks = np.arange(4000, wave[-1], 1000)
    y_ticks = np.linspace(low + margin, high - margin, 4)
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "flux": _join(x, to_y(flux_mean)),
        "model": _join(x, to_y(model_mean)),
        "x_ticks": [
            (f"{t:.1f}", f"{w:.0f}")
            for t, w in zip(np.interp(x_ticks, wave, x), x_ticks, strict=True)
        ],
        "y_ticks": [(round(float(to_y(value)), 1), f"{value:.3g}") for value in y_ticks],
    }


def _join(x: np.ndarray, y: np.ma.MaskedArray) -> str:
    """Return an SVG path that is interrupted where nothing is known."""
    runs = np.ma.clump_unmasked(y)
    pieces = [
        "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[run], y[run], strict=True))
        for run in runs
    ]
    return "".join(pieces)


FACE = Face(
    name="site",
    files=("site/",),
    paragraph="A site of the graded objects, a page with its spectrum for each; open "
    "`site/index.html` from disk or from any file server.",
    write=write,
    read_back=read_back,
    spell=_show,
    needs=(contents.SPECTRA,),
)
