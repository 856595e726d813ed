"""Applying a finished model to other spectra: a tree or loose files."""

from pathlib import Path

import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.flow.runner import run_stage
from pipeline.judge.foreign import lay_out
from pipeline.lake.files import exists, replacing, show
from pipeline.lake.layout import MODEL_CARD, Lake, is_remote
from pipeline.lake.model_files import read_card
from pipeline.lake.store import digest
from pipeline.names import is_name
from pipeline.numerics import limit_threads
from pipeline.run import Run
from pipeline.settings.section import ALL_ROWS
from pipeline.settings.spectra import ReconstructSettings
from pipeline.spectra.data_path import FOREIGN, SCORE, TO_FILES, TO_TREE
from pipeline.spectra.surveys import recognise_survey
from pipeline.workers import sharing_ray

RESULT = "scored.parquet"


def find_model(name: str, lake: Lake) -> Path:
    """Return the folder of a model given by id (in the lake) or by path.

    Raises
    ------
    UserError
        If there is no such model.
    """
    by_id = [lake.model(name)] if is_name(name) else []
    for folder in (Path(name).resolve(), *by_id):
        if exists(folder / MODEL_CARD):
            return folder
    trained = sorted(path.parent.name for path in lake.root.glob(f"models/*/{MODEL_CARD}"))
    known = f"models here: {', '.join(trained)}" if trained else f"no model in {show(lake.home)}"
    raise UserError(f"model {name!r} is neither a folder nor an id; {known}")


@sharing_ray()
@limit_threads()
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
        For loose files: a table with their redshifts.

    Returns
    -------
    path : Path or None
        None if no spectrum could be scored; else a Parquet table with one row per scored
        spectrum: scores, p-values, class, list, tier. The model fluxes are in
        ``lake/reconstructions`` beside it.
    reports : list of Report
    """
    lake = Lake(root, config.run.lake)
    folder = find_model(model, lake)
    source = config.run.source
    if not is_remote(source) and not Path(source).exists():
        raise UserError(f"source {source}: no such file or folder")
    place = source if is_remote(source) else str(Path(source).resolve())
    name = f"{read_card(folder)['id']}-{digest(place, str(redshifts))[:8]}"
    survey = recognise_survey(config.run.model_copy(update={"redshifts": str(redshifts or "")}))
    way = TO_TREE if survey.has_catalogue else TO_FILES
    target = Root(lake.applied(name), config.run.ledger_url)
    reports: dict[str, Report] = {}
    path = target.root / RESULT
    with target.lock():
        run = Run(target, target.ledger, _adapt(config, folder, redshifts), way, folder)
        for stage in way.stages:
            reports[stage.name] = run_stage(run, stage)
            if stage == SCORE and not reports[stage.name].n_made:
                return None, list(reports.values())
        with replacing(path) as partial:
            pq.write_table(lay_out(run, reports[FOREIGN.name].notes), partial)
    return path, list(reports.values())


def _adapt(config: Config, folder: Path, redshifts: Path | None) -> Config:
    """Return the settings under which a model's spectra were made, for others to be made alike."""
    card = read_card(folder)
    trained = {
        name: getattr(config, name).model_copy(update=values)
        for name, values in card["settings"].items()
        if name != "target"
    }
    run = config.run.model_copy(update={"seed": card["seed"], "redshifts": str(redshifts or "")})
    publish_all = ReconstructSettings(reference_sample=ALL_ROWS)
    return config.model_copy(update={**trained, "run": run, "reconstruct": publish_all})
