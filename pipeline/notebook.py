"""What a notebook needs, in one place: models, tiles, scores and pictures, and the command line.

>>> from pipeline.notebook import plot_candidate, qad, score    # doctest: +SKIP

Nothing heavy is imported before it is used. A fault is an exception whose text is the line that
the command line would say.
"""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.plots.figure import plot_candidate
    from pipeline.spectra.loose.tile_extraction import extract_qso_tile_to_parquet
    from pipeline.spectra.loose.tiles import read_tiles
    from pipeline.spectra.model.autoencoder import QSOAutoencoder
    from pipeline.spectra.model.calibrated import CalibratedModel

__all__ = [
    "CalibratedModel",
    "QSOAutoencoder",
    "extract_qso_tile_to_parquet",
    "plot_candidate",
    "qad",
    "read_tiles",
    "run",
    "score",
]
# Where the names are that are not defined here.
_HOMES = {
    "CalibratedModel": "pipeline.spectra.model.calibrated",
    "QSOAutoencoder": "pipeline.spectra.model.autoencoder",
    "extract_qso_tile_to_parquet": "pipeline.spectra.loose.tile_extraction",
    "plot_candidate": "pipeline.plots.figure",
    "read_tiles": "pipeline.spectra.loose.tiles",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def qad(*words: object) -> int:
    """Call the command line in this process, e.g. ``qad("mock", "--quasars", 90, "--to", "TREE")``.

    Parameters
    ----------
    *words : object
        As one would type them.

    Returns
    -------
    int
        Exit code: 0, or 1 where a shard failed or a check did not pass.

    Raises
    ------
    QadError, click.ClickException
        If the call, a file or the configuration is wrong: where `qad` ends with 2.
    """
    from pipeline.cli.main import qad as command

    try:
        command.main([str(word) for word in words], prog_name="qad", standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run(source: str | Path, root: str | Path, version: str, settings: Sequence[str] = ()) -> Path:
    """Go from spectra to a release, as `qad run`: every stage that is not done yet.

    Parameters
    ----------
    source : str or Path
        A tree, its address, or "mock".
    root : str or Path
        Data root.
    version : str
        Of the release, X.Y.Z.
    settings : sequence of str
        As after ``--set``: ``"train.epochs=3"``.

    Returns
    -------
    Path
        The release.

    Raises
    ------
    UserError
        If the call, a file or the configuration is wrong.
    DataError
        If a shard failed; `qad` has said which.
    """
    sets = [word for setting in settings for word in ("--set", setting)]
    if qad("run", "--source", source, "--root", root, "--version", version, *sets):
        raise DataError(f"{root}: shards failed; `qad status --failed --root {root}` says why")
    return Path(root) / "releases" / version


def score(
    spectra: "str | Path | tuple[NDArray, ...]",
    model: str | Path,
    root: str | Path = "data",
    redshifts: str | Path | None = None,
    settings: Sequence[str] = (),
) -> "pa.Table":
    """Score spectra with a finished model, as `qad score --model`.

    Parameters
    ----------
    spectra : str, Path or tuple of ndarray
        A tree, a coadd file or a folder of spectra; or the arrays (flux, ivar, z) or
        (flux, ivar, z, targetid), see `CalibratedModel.score`.
    model : str or Path
        Id below `root`, or folder.
    root : str or Path
        Data root.
    redshifts : str or Path, optional
        Of files: a table with Z, and TARGETID or file names.
    settings : sequence of str
        As after ``--set``.

    Returns
    -------
    pyarrow.Table
        A row for each spectrum: scores, p-values, class, list, tier; of arrays without class and
        list. Of files the schema's metadata say under ``calibration`` how far the p-values hold,
        under ``dropped`` how many spectra are left out by which reason, and under ``notes`` what
        else is to be known. A file that cannot be read is told by a warning.

    Raises
    ------
    UserError
        If there is no such model or source, or a table is wrong.
    DataError
        If no spectrum can be scored.
    """
    import pyarrow.parquet as pq

    from pipeline.config import load_config
    from pipeline.flow.apply import apply, find_model
    from pipeline.flow.root import open_root

    if isinstance(spectra, tuple):
        from pipeline.spectra.model.calibrated import CalibratedModel

        folder = find_model(str(model), open_root(Path(root)).lake)
        return CalibratedModel(folder, load_config(None, settings, source="arrays")).score(*spectra)
    config = load_config(None, settings, source=str(spectra))
    path, reports = apply(Path(root), config, str(model), Path(redshifts) if redshifts else None)
    for report in reports:
        for outcome in report.failed:
            warnings.warn(f"{outcome.shard}: {outcome.error}", stacklevel=2)
    dropped: Counter[str] = Counter()
    for report in reports:
        dropped.update({gate: n for gate, n in report.dropped.items() if n})
    notes = [note for report in reports for note in report.notes]
    if path is None:
        why = "; ".join([*(f"{gate} {n}" for gate, n in dropped.items()), *notes])
        raise DataError(f"{spectra}: no spectrum could be scored ({why})")
    table = pq.read_table(path)
    told = {"dropped": json.dumps(dropped), "notes": json.dumps(notes)}
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **told})
