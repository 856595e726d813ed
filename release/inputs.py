"""What a release is made from: the shards, their contents, the model, the settings."""

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS
from catalog_schema.tables import SCHEMA_VERSION
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.errors import UserError
from pipeline.flow.kinds import find_path
from pipeline.flow.root import Root
from pipeline.lake.files import exists, local_folder, show
from pipeline.lake.layout import (
    MODEL_CARD,
    MODEL_NORMS,
    MODEL_NULL,
    MODEL_TAXONOMY,
    MODEL_TRAITS,
    Shard,
    is_remote,
)
from pipeline.lake.model_files import read_card, verify_model
from pipeline.lake.store import Store, digest, digest_rows
from pipeline.ledger.books import Outcome
from pipeline.reviews.review import Review
from pipeline.reviews.review_ledger import tabulate
from pipeline.reviews.sample import name_sample
from pipeline.stage import DataPath, Per
from release.conservation import Account, settle
from release.sealing import hash_file

MOCK = "mock"
_REDUCTION = re.compile(r"(?:^|/)spectro/redux/([^/]+)/")
# Of a model of any kind; each kind has more.
MODEL_FILES = (MODEL_CARD, MODEL_NULL, MODEL_NORMS, MODEL_TAXONOMY, MODEL_TRAITS)
# Datasets that a release is made from, as far as the kind of data has them.
NEEDS = (
    "targets",
    "coadds",
    "restframe",
    "scores",
    "significance",
    "changes",
    "classes",
    "evidence",
    "tiers",
    "controls",
    "injections",
    "catalogues",
    "matches",
    "reconstructions",
)
# Of the objects that have an earlier spectrum, and the stage that makes it.
COMPARED, _COMPARING = "changes", "earlier"


@dataclass(frozen=True)
class Inputs:
    """Everything that decides the bytes of a release.

    Attributes
    ----------
    kind : Kind
    account : Account
        Where the rows of every shard went.
    data : dict
        Content digest of every dataset over its shards.
    catalogues : tuple of str
        External catalogues of the cross-match.
    compared : tuple of Shard
        Those with objects that have an earlier spectrum.
    model_id : str
    model : dict
        Content digest of every file of the model.
    source : dict
        Kind of the source, its folder's name, the DESI reduction, and the sample that reviews name.
    instruction_set : dict or None
        What the model's machine chose its kernels by; its id depends on it. Models of older
        versions do not say.
    config : dict
        The resolved settings, without those that cannot change the result.
    reviews : tuple of Review
        Every event of the sample, in order.
    """

    kind: Kind
    account: Account
    data: dict[str, str]
    catalogues: tuple[str, ...]
    compared: tuple[Shard, ...]
    model_id: str
    model: dict[str, str]
    source: dict[str, str]
    instruction_set: dict[str, str] | None
    config: dict[str, Any]
    reviews: tuple[Review, ...]

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Shards to read."""
        return tuple(self.account.n_scored)

    def fingerprint(self, revision: int) -> str:
        """Digest the inputs, the settings, the schema's version and the builder's revision."""
        books = [
            (str(o.shard), o.stage, o.state, o.n_expected, o.n_made, o.dropped, o.error)
            for o in self.account.outcomes
        ]
        parts = (books, self.data, self.model_id, self.model, self.source, self.config)
        return digest("release", revision, SCHEMA_VERSION, *parts)


def read_inputs(store: Root, config: Config, reviews: tuple[Review, ...] | None = None) -> Inputs:
    """Collect the inputs without reading their rows.

    Parameters
    ----------
    store : Store
    config : Config
    reviews : tuple of Review, optional
        Read before; later ones do not count. Reviewers need not stop for a build.

    Raises
    ------
    UserError
        If the run is unfinished, rows are unaccounted for, shards failed, or nothing was scored.
    """
    outcomes = _read_ledger(store, config.run.source)
    path = find_path(config)
    account = settle(outcomes, path.conserved, accept_failed=config.release.accept_failed_shards)
    shards = tuple(account.n_scored)
    if not shards:
        raise UserError(f"{store.root}: nothing was scored, the catalogue would be empty")
    kind = KINDS[find_path(config).kind]
    compared: tuple[Shard, ...] = ()
    if COMPARED in path.datasets:
        compared = _list_compared(outcomes, shards, config.release.accept_failed_shards)
    catalogues: tuple[str, ...] = ()
    if "matches" in path.datasets:
        catalogues = tuple(resolve_catalogues(config.crossmatch))
    data = _digest_datasets(store, path, shards, compared, catalogues)
    reviews = _read_reviews(store, config) if reviews is None else reviews
    data["reviews"] = digest_rows(tabulate(reviews))
    model_id = _read_model_id(store, shards[0])
    with local_folder(store.lake.model(model_id)) as folder:
        verify_model(folder)
        model = {name: _content(store, folder / name) for name in _list_model(folder, kind)}
        instruction_set = read_card(folder).get("instruction_set")
    source = _describe_source(store, config)
    return Inputs(
        kind,
        account,
        data,
        catalogues,
        compared,
        model_id,
        model,
        source,
        instruction_set,
        _resolve(config, source),
        reviews,
    )


def _digest_datasets(
    store: Store,
    path: DataPath,
    shards: tuple[Shard, ...],
    compared: tuple[Shard, ...],
    catalogues: tuple[str, ...],
) -> dict[str, str]:
    """Return the content digest of every dataset that a release is made from."""
    needed = [path.datasets[name] for name in NEEDS if name in path.datasets]
    data = {}
    for dataset in needed:
        name, lake = dataset.name, store.lake
        if dataset.per is Per.SURVEY:
            data[name] = digest(_content(store, lake.table(name)))
        elif dataset.per is Per.CATALOGUE:
            files = [lake.catalogue(name, catalogue) for catalogue in catalogues]
            data[name] = digest(catalogues, store.map(partial(_content, store), files))
        else:
            mine = compared if name == COMPARED else shards
            files = [lake.shard(name, shard) for shard in mine]
            contents = store.map(partial(_content, store), files)
            data[name] = digest([(str(s), c) for s, c in zip(mine, contents, strict=True)])
    return data


def _list_compared(
    outcomes: list[Outcome], shards: tuple[Shard, ...], accept_failed: bool
) -> tuple[Shard, ...]:
    """Return the scored shards whose objects were compared with earlier spectra.

    Raises
    ------
    UserError
        If some were to be compared and were not, and that is not accepted.
    """
    scored = set(shards)
    mine = [o for o in outcomes if o.stage == _COMPARING and o.shard in scored]
    done = tuple(outcome.shard for outcome in mine if outcome.state is ShardState.DONE)
    if len(done) < len(mine) and not accept_failed:
        raise UserError(
            f"{len(mine) - len(done)} shards were not compared with their earlier spectra; run "
            "`qad run` again, or leave these out with --set release.accept_failed_shards=true"
        )
    return done


def _read_reviews(store: Root, config: Config) -> tuple[Review, ...]:
    with store.reviews.closing() as ledger:
        return tuple(ledger.load(name_sample(config)))


def _read_ledger(store: Root, source: str) -> list[Outcome]:
    if not store.has_ledger:
        raise UserError(f"{store.root}: nothing was run here; start with `qad run --root DIR`")
    with store.ledger.closing() as ledger:
        outcomes = ledger.outcomes()
    names = [str(store.root.resolve()), str(store.root)]
    if store.lake.url:
        names += [show(store.lake.home), str(store.lake.home)]
    if is_remote(source):
        names.append(source.rstrip("/"))
    elif source != MOCK:
        names += [str(Path(source).resolve()), str(Path(source))]
    return [replace(outcome, error=_strip(outcome.error, names)) for outcome in outcomes]


def _strip(text: str | None, locations: list[str]) -> str | None:
    # The text is published: no path of the machine, and the same bytes from another one.
    for name in locations:
        text = text and re.sub(rf"(?<![\w/.-]){re.escape(name)}/", "", text)
    return text


def _content(store: Store, path: Path) -> str:
    if not exists(path):
        name = path.relative_to(home) if path.is_relative_to(home := store.lake.home) else path.name
        raise UserError(f"{name} is missing from {show(home)}; run `qad run` again")
    if path.suffix == ".parquet":
        return store.verify(path, with_rows=False).content
    return hash_file(path)


def _list_model(folder: Path, kind: Kind) -> list[str]:
    found = {path.name for path in folder.glob("[!.]*") if path.is_file()}
    return sorted(found.union(MODEL_FILES, kind.model_files))


def _read_model_id(store: Store, shard: Shard) -> str:
    column = store.read(store.lake.shard("scores", shard), ["model_id"])
    return str(column["model_id"][0])


def _describe_source(store: Store, config: Config) -> dict[str, str]:
    run = config.run
    name = run.source.rstrip("/").rpartition("/")[2]
    described = {"name": name, "sample": name_sample(config)}
    if run.kind != "spectra":
        return {"kind": run.survey or run.kind, **described}
    kind = MOCK if run.source == MOCK else run.survey or "desi"
    reductions = _list_reductions(store)
    return {"kind": kind, **described} | ({"specprod": ", ".join(reductions)} if reductions else {})


def _list_reductions(store: Store) -> list[str]:
    """Return DESI's names of the reductions that the spectra come from; none of another survey."""
    path = store.lake.table("files")
    names = store.read(path, ["file_name"])["file_name"].to_pylist() if exists(path) else []
    return sorted({found[1] for name in names if (found := _REDUCTION.search(name))})


def _resolve(config: Config, source: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(config.model_dump_json())
    values["run"]["source"] = f"{source['kind']}:{source['name']}"
    # How many work, how bytes are fetched and where they are kept changes no byte of the result.
    for name in ("workers", "ledger_url", "lake", "redshifts"):
        del values["run"][name]
    del values["acquire"]
    for name in ("index", "spectra"):
        values["earlier"][name] = Path(values["earlier"][name]).name
    # Local catalogues go by name: where they lie is nobody's business.
    for catalogue in values["crossmatch"]["catalogues"].values():
        catalogue["files"] = [Path(file).name for file in catalogue["files"]]
        catalogue["moc"] = Path(catalogue["moc"]).name
    for name in ("threads", "memory_mb", "timeout_s", "max_attempts", "backoff_s"):
        del values["crossmatch"][name]
    return values
