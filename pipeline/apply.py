"""Applying a finished model to other spectra: a tree, loose files, or arrays in a notebook."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from catalog_schema.vocabulary import Parent, Split
from pipeline import models
from pipeline.acquire import acquire
from pipeline.adopt import adopt
from pipeline.calibrate import calibrate_with, grade, read_scores
from pipeline.config import (
    CalibrateSettings,
    Config,
    PreprocessSettings,
    ReconstructSettings,
    ScoreSettings,
)
from pipeline.errors import UserError
from pipeline.extract import extract, spectra_to_table
from pipeline.ingest import ingest
from pipeline.lake_files import exists, replacing, show
from pipeline.layout import REDUCTION, Lake, Shard, is_remote
from pipeline.models import load_model, read_card
from pipeline.preprocess import make_windows, preprocess_on_grid
from pipeline.reconstruct import reconstruct_with
from pipeline.science.coadd import Spectra
from pipeline.score import score_windows, score_with
from pipeline.shards import Report, finished_shards, read_shards
from pipeline.store import Store, digest
from pipeline.target import target

RESULT = "scored.parquet"
_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_ARRAYS = Shard("external", "array", 0)


def find_model(name: str, lake: Lake) -> Path:
    """Return the folder of a model given by id (in the lake) or by path.

    Raises
    ------
    UserError
        If there is no such model.
    """
    for folder in (Path(name).resolve(), lake.model(name)):
        if exists(folder / models.CARD):
            return folder
    trained = sorted(path.parent.name for path in lake.root.glob(f"models/*/{models.CARD}"))
    known = f"models here: {', '.join(trained)}" if trained else f"no model in {show(lake.home)}"
    raise UserError(f"model {name!r} is neither a folder nor an id; {known}")


def apply(
    root: Path, config: Config, model: str, redshifts: Path | None
) -> tuple[Path | None, list[Report]]:
    """Score the spectra of ``run.source`` with a finished model.

    Parameters
    ----------
    root : Path
        Data root; the results go to ``applied/<model>-<source>/`` below it.
    config : Config
        Reads ``run.source``: a tree in the DR1 layout, a coadd file, or a folder of spectra.
    model : str
        Id or folder.
    redshifts : Path or None
        For loose files; see `ingest`.

    Returns
    -------
    path : Path or None
        None if no spectrum could be scored; else a Parquet table with one row per scored
        spectrum: scores, p-value, tier. The model fluxes are in ``lake/reconstructions``
        beside it.
    reports : list of Report
    """
    lake = Lake(root, config.run.lake)
    folder = find_model(model, lake)
    source = config.run.source
    if not is_remote(source) and not Path(source).exists():
        raise UserError(f"source {source}: no such file or folder")
    card = read_card(folder)
    trained = {name: getattr(config, name).model_copy(update=values)
               for name, values in card["settings"].items() if name != "target"}  # fmt: skip
    run = config.run.model_copy(update={"seed": card["seed"]})
    publish_all = ReconstructSettings(reference_sample=sys.maxsize)
    config = config.model_copy(update={**trained, "run": run, "reconstruct": publish_all})
    place = source if is_remote(source) else str(Path(source).resolve())
    name = f"{card['id']}-{digest(place, str(redshifts))[:8]}"
    store = Store(lake.applied(name), config.run.ledger_url)
    with store.lock():
        if is_remote(source) or (Path(source) / REDUCTION).is_dir():
            reports = [stage(store, config) for stage in (target, adopt, acquire, extract)]
        else:
            reports = [ingest(store, config, Path(source), redshifts)]
        reports.append(preprocess_on_grid(store, config, load_model(folder).grid))
        reports.append(score_with(store, config, folder))
        if not reports[-1].n_made:
            return None, reports
        reports.append(calibrate_with(store, config, folder))
        reports.append(reconstruct_with(store, config, folder))
        return _write_result(store), reports


def _write_result(store: Store) -> Path:
    shards = finished_shards(store, "score")
    names = pa.concat_tables(read_shards(store, "targets", shards, [*_KEY, "DESINAME"]).values())
    tiers = store.read(store.lake.table("tiers"))
    scores = read_scores(store)
    # Negative controls are scored but not graded. Arrow joins no arrays: their rows, then they.
    rows = _number(scores, "score").join(_number(tiers, "tier"), _KEY, join_type="inner")
    rows = rows.join(names, _KEY).sort_by([(name, "ascending") for name in _KEY])
    joined, graded = scores.take(rows["score"]), tiers.take(rows["tier"]).drop_columns(_KEY)
    for name in graded.column_names:
        joined = joined.append_column(name, graded[name])
    joined = joined.append_column("DESINAME", rows["DESINAME"])
    path = store.root / RESULT
    with replacing(path) as partial:
        pq.write_table(joined, partial)
    return path


def _number(table: pa.Table, name: str) -> pa.Table:
    """Return the keys of a table with their row numbers."""
    return table.select(_KEY).append_column(name, pa.array(np.arange(table.num_rows)))


@dataclass(frozen=True)
class AnomalyModel:
    """A trained model for use on arrays, e.g. in a notebook.

    Examples
    --------
    >>> model = AnomalyModel.load("data/models/0123456789ab")   # doctest: +SKIP
    >>> table = model.score(flux, ivar, z)                      # doctest: +SKIP
    """

    folder: Path
    score_settings: ScoreSettings = field(default_factory=ScoreSettings)
    calibrate_settings: CalibrateSettings = field(default_factory=CalibrateSettings)

    @classmethod
    def load(cls, folder: str | Path) -> "AnomalyModel":
        """Open a model's folder; UserError if it is none."""
        read_card(Path(folder))
        return cls(Path(folder))

    def score(
        self, flux: NDArray, ivar: NDArray, z: NDArray, targetid: NDArray | None = None
    ) -> pa.Table:
        """Score spectra on DESI's joined grid.

        Parameters
        ----------
        flux, ivar : ndarray, shape (n, 7781)
            Observed frame, 1e-17 erg/s/cm²/Å, already corrected for Galactic extinction;
            ivar = 0 or a value that is not finite marks a bad pixel.
        z : ndarray, shape (n,)
        targetid : ndarray of int, shape (n,), optional
            DESI's TARGETID: a spectrum of the training sample is then scored by the member that
            has not seen it. Without it all are taken for unseen and scored by one member.

        Returns
        -------
        pyarrow.Table
            Columns of `scores` and `tiers`; ``row`` is the input's row. Spectra with too few
            pixels that the model knows, or a redshift outside its grid, are left out.

        Raises
        ------
        UserError
            If the shapes are wrong.
        """
        flux, ivar, z = np.atleast_2d(flux), np.atleast_2d(ivar), np.atleast_1d(z)
        if flux.shape != ivar.shape or flux.shape != (len(z), WAVE_SIZE):
            raise UserError(
                f"flux {flux.shape}, ivar {ivar.shape} and z {z.shape} must be (n, {WAVE_SIZE}), "
                f"the same, and (n,); the grid is {WAVE_START} + {WAVE_STEP} * pixel"
            )
        card = read_card(self.folder)
        trained = PreprocessSettings(**card["settings"]["preprocess"])
        n = len(z)
        targets = pa.table({
            "Z": z.astype(float), "EBV": np.zeros(n, np.float32), "split": [Split.TEST.value] * n,
            "parent": [Parent.EXTERNAL.value] * n, "control": pa.nulls(n, pa.string()),
        })  # fmt: skip
        coadds = spectra_to_table(_ARRAYS, _clean(flux, ivar))
        windows = make_windows(coadds, targets, trained, load_model(self.folder).grid).data
        objects = np.zeros(n, np.int64) if targetid is None else np.asarray(targetid, np.int64)
        scores = score_windows(
            self.folder, self.score_settings, int(card["seed"]), windows,
            objects[windows["TARGETID"].to_numpy()],
        ).data  # fmt: skip
        null = Store(self.folder).read(self.folder / models.NULL)
        tiers = grade(scores, null, self.calibrate_settings)
        scored = scores.drop_columns([*_KEY, "split", "parent", "control"])
        result = scored.add_column(0, "row", scores["TARGETID"])
        for name in tiers.column_names[len(_KEY) :]:
            result = result.append_column(name, tiers[name])
        return result


def _clean(flux: NDArray, ivar: NDArray) -> Spectra:
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    return Spectra(
        np.arange(len(flux)),
        np.where(is_good, flux, 0).astype(np.float32),
        np.where(is_good, ivar, 0).astype(np.float32),
        np.zeros(flux.shape, np.int32),
    )
