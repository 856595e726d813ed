"""Applying a finished model to other spectra: a tree or loose files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema.tables import JUDGED, ROW_KEY, TIERS
from catalog_schema.vocabulary import Tier
from pipeline.config import ALL_ROWS, Config, ReconstructSettings
from pipeline.errors import UserError
from pipeline.flow.shards import Report, finished_shards, read_shards
from pipeline.flow.workers import sharing_ray
from pipeline.judge.calibrate import calibrate_with, get_conditions, read_conditions
from pipeline.judge.classifier import judge, read_classifier
from pipeline.judge.grade import grade_rows, to_p_values
from pipeline.judge.measured_survey import read_survey
from pipeline.judge.science.domain import LOW, Domain, find_domain
from pipeline.lake.align import align
from pipeline.lake.files import exists, replacing, show
from pipeline.lake.layout import Lake, is_remote
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store, columns_to_table, digest
from pipeline.names import is_name
from pipeline.numerics import limit_threads
from pipeline.spectra.desi.tree import list_reductions
from pipeline.spectra.loose.ingest import ingest
from pipeline.spectra.model import models
from pipeline.spectra.model.models import load_model
from pipeline.spectra.stages.acquire import acquire
from pipeline.spectra.stages.adopt import adopt
from pipeline.spectra.stages.extract import extract
from pipeline.spectra.stages.measure import measure_with
from pipeline.spectra.stages.preprocess import preprocess_on_grid
from pipeline.spectra.stages.reconstruct import reconstruct_with
from pipeline.spectra.stages.score import score_with
from pipeline.spectra.stages.target import target

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
        if exists(folder / models.CARD):
            return folder
    trained = sorted(path.parent.name for path in lake.root.glob(f"models/*/{models.CARD}"))
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
        For loose files; see `ingest`.

    Returns
    -------
    path : Path or None
        None if no spectrum could be scored; else a Parquet table with one row per scored
        spectrum: scores, p-values, class, tier. The model fluxes are in ``lake/reconstructions``
        beside it.
    reports : list of Report
    """
    lake = Lake(root, config.run.lake)
    folder = find_model(model, lake)
    source = config.run.source
    if not is_remote(source) and not Path(source).exists():
        raise UserError(f"source {source}: no such file or folder")
    card = read_card(folder)
    trained = {
        name: getattr(config, name).model_copy(update=values)
        for name, values in card["settings"].items()
        if name != "target"
    }
    run = config.run.model_copy(update={"seed": card["seed"]})
    publish_all = ReconstructSettings(reference_sample=ALL_ROWS)
    config = config.model_copy(update={**trained, "run": run, "reconstruct": publish_all})
    place = source if is_remote(source) else str(Path(source).resolve())
    name = f"{card['id']}-{digest(place, str(redshifts))[:8]}"
    store = Store(lake.applied(name), config.run.ledger_url)
    with store.lock():
        if is_remote(source) or list_reductions(Path(source)):
            reports = [stage(store, config) for stage in (target, adopt, acquire, extract)]
        else:
            reports = [ingest(store, config, Path(source), redshifts)]
        reports.append(preprocess_on_grid(store, config, load_model(folder).grid))
        reports.append(score_with(store, config, folder))
        if not reports[-1].n_made:
            return None, reports
        reports.append(calibrate_with(store, config, folder))
        reports.append(measure_with(store, config, folder))
        result, graded = _judge(store, config, folder)
        reports.append(graded)
        reports.append(reconstruct_with(store, config, folder))
        path = store.root / RESULT
        with replacing(path) as partial:
            pq.write_table(result, partial)
        return path, reports


def withhold_tiers(tiers: pa.Table, domain: Domain) -> tuple[pa.Table, tuple[str, ...]]:
    """Take the tiers away that the model's population cannot vouch for, and say why.

    Parameters
    ----------
    tiers : pyarrow.Table
        Rows of `tiers`.
    domain : Domain
        Of the same rows.

    Returns
    -------
    tiers : pyarrow.Table
    notes : tuple of str
    """
    share = f"{domain.n_low} of {domain.n} spectra have p < {LOW}"
    if not domain.is_alike:
        note = (
            f"calibration does not hold: {share}; they are unlike the model's population, "
            "or were chosen as anomalies"
        )
    elif not domain.is_seen:
        note = f"calibration not verified: {share}, too few to see if the model's holds for them"
    else:
        note = f"calibration as expected: {share}"
    is_vouched = ~domain.is_outside & domain.is_seen & domain.is_alike
    notes = [note if domain.is_seen and domain.is_alike else f"{note}; no tier is given"]
    if domain.is_outside.any():
        notes.append(
            f"{domain.is_outside.sum()} spectra are outside the SNR, redshift and coverage of the "
            "model's population; they have no tier"
        )
    given = np.where(is_vouched, tiers["tier"].to_numpy().astype(str), Tier.NONE.value)
    place = tiers.column_names.index("tier")
    field = tiers.schema.field("tier")
    return tiers.set_column(place, field, pa.array(given).cast(field.type)), tuple(notes)


def _judge(store: Store, config: Config, folder: Path) -> tuple[pa.Table, Report]:
    """Classify and grade the measured quasars; return the rows of the result."""
    survey = read_survey(store, config.calibrate)
    # Negative controls are scored and measured, but not graded.
    n = survey.n_quasars
    scores, measured = survey.scores.slice(0, n), survey.measured.slice(0, n)
    null = store.read(folder / models.NULL)
    judged = judge(read_classifier(store, folder), null, scores, measured, config)
    keys = {name: scores[name] for name in ROW_KEY}
    rows = columns_to_table(JUDGED, judged | keys)
    tiers = grade_rows(rows, config.calibrate)
    domain = find_domain(read_conditions(null), get_conditions(scores), to_p_values(rows))
    tiers, notes = withhold_tiers(tiers, domain)
    path = store.lake.table(TIERS.name)
    store.write(path, tiers, TIERS, fingerprint="", n_expected=n, n_made=n)
    shards = finished_shards(store, "score")
    names = pa.concat_tables(read_shards(store, "targets", shards, [*ROW_KEY, "DESINAME"]).values())
    parts = (
        survey.significance,
        rows,
        tiers,
        align(names, rows, what="targets"),
    )
    fields = {field.name: (field, part) for part in (scores, *parts) for field in part.schema}
    columns = [part[name] for name, (_, part) in fields.items()]
    told = {"calibration": "; ".join(notes)}
    schema = pa.schema([field for field, _ in fields.values()], metadata=told)
    report = Report(TIERS.name, made=1, n_expected=n, n_made=n, notes=notes)
    return pa.table(columns, schema=schema), report
