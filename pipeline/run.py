"""What a stage is given: the datasets made before it, its settings, and the model."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.column import Table
from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.files import show
from pipeline.lake.layout import MODEL_CARD, Shard
from pipeline.lake.model_files import read_card
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import Stamp, Store, digest
from pipeline.ledger.books import Ledger
from pipeline.ledger.outcome import Outcome
from pipeline.stage import DataPath, Per, Stage

MODELS = "models"
_ID_LETTERS = 12


class Run:
    """One pass over the data path, or a look at how far the last one came.

    The ledger is read once for each stage, when it is first asked for.

    Parameters
    ----------
    store : Store
    ledger : Ledger
    config : Config
    path : DataPath
        Kind of data, and the stages that made or make the datasets.
    model : Path, optional
        Folder of a finished model, which no stage of this run trains.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        config: Config,
        path: DataPath,
        model: Path | None = None,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.config = config
        self.path = path
        self.given_model = model
        self._datasets = {d.name: (d, stage) for stage in path.stages for d in stage.makes}
        self._outcomes: dict[str, list[Outcome]] = {}

    @cached_property
    def kind(self) -> Kind:
        """Declaration of the kind of data."""
        return KINDS[self.path.kind]

    def get_outcomes(self, stage: str) -> list[Outcome]:
        """Return the latest outcome of every shard of a stage, in order."""
        if stage not in self._outcomes:
            self._outcomes[stage] = self.ledger.outcomes(stage)
        return self._outcomes[stage]

    def forget(self, stage: str) -> None:
        """Ask the ledger again what it says of a stage: it has run."""
        self._outcomes.pop(stage, None)

    def list_shards(self, dataset: str) -> list[Shard]:
        """List the finished shards of a dataset, in order; none of one that this path lacks."""
        return [outcome.shard for outcome in self._list_done(dataset)]

    def count_rows(self, dataset: str) -> dict[Shard, int]:
        """Return the number of rows of every finished shard, in order."""
        return {outcome.shard: outcome.n_made for outcome in self._list_done(dataset)}

    def list_contents(self, dataset: str) -> dict[Shard, str]:
        """Return the content digest of every finished shard of a dataset, in order.

        They are in the ledger; only what an older version booked is looked up in the files.
        """
        found, stage = self._datasets[dataset]
        done = self._list_done(dataset)
        known = {o.shard: o.content if found == stage.dataset else "" for o in done}
        stamps = self.read_stamps(
            dataset, [shard for shard, content in known.items() if not content]
        )
        return known | {shard: stamp.content for shard, stamp in stamps.items()}

    def find_content(self, dataset: str) -> str:
        """Return a digest of all rows of a dataset; empty where nothing is made yet."""
        if dataset == MODELS:
            return self.model_id
        if self._find_per(dataset) is Per.SHARD:
            return digest([(str(s), content) for s, content in self.list_contents(dataset).items()])
        stamp = self.store.read_stamp(self.find_path(dataset))
        return stamp.content if stamp else ""

    def find_path(self, dataset: str, place: Shard | str = "") -> Path:
        """Return the file of a dataset, or of a shard or a catalogue in it."""
        lake, per = self.store.lake, self._find_per(dataset)
        if isinstance(place, Shard):
            return lake.shard(dataset, place)
        if per is Per.CATALOGUE:
            return lake.catalogue(dataset, place)
        if per is Per.MODEL:
            return self.model / (MODEL_CARD if dataset == MODELS else f"{dataset}.parquet")
        return lake.table(dataset)

    def read(self, dataset: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a dataset that has one file, or one beside the model."""
        return self.store.read(self.find_path(dataset), columns)

    def read_shards(
        self, dataset: str, shards: Iterable[Shard], columns: Sequence[str] | None = None
    ) -> dict[Shard, pa.Table]:
        """Read shards of a dataset, each in order of TARGETID."""

        def read(shard: Shard) -> tuple[Shard, pa.Table]:
            return shard, self.store.read(self.find_path(dataset, shard), columns)

        return dict(self.store.map(read, list(shards)))

    def read_rows(self, dataset: str, keys: pa.Table) -> pa.Table:
        """Read the rows of some objects, given by key, from their shards only."""
        parts = []
        for shard, rows in split_by_shard(keys).items():
            data = self.store.read(self.find_path(dataset, shard))
            wanted = rows["TARGETID"].combine_chunks()
            parts.append(data.filter(pc.is_in(data["TARGETID"], wanted)))
        return pa.concat_tables(parts).combine_chunks()

    def read_stamps(self, dataset: str, shards: Iterable[Shard]) -> dict[Shard, Stamp]:
        """Return the stamps of shards.

        Raises
        ------
        UserError
            If a shard that the ledger calls done has no file.
        """

        def read(shard: Shard) -> tuple[Shard, Stamp]:
            path = self.find_path(dataset, shard)
            stamp = self.store.read_stamp(path)
            if stamp is None:
                raise UserError(f"{show(path)}: missing; run the stages again")
            return shard, stamp

        return dict(self.store.map(read, list(shards)))

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.given_model or self.store.lake.model(self.model_id)

    @cached_property
    def model_id(self) -> str:
        """Id of the model that settings, data and this machine's instruction set define.

        Equal ids mean equal bytes.
        """
        if self.given_model:
            return str(read_card(self.given_model)["id"])
        _, stage = self._datasets[MODELS]
        [task] = stage.plan(self).tasks
        return self.make_fingerprint(stage, task.inputs)[:_ID_LETTERS]

    def make_fingerprint(self, stage: Stage, inputs: Sequence[str]) -> str:
        """Digest all that decides the rows of a stage that has one piece of work."""
        [fingerprint] = self.make_fingerprints(stage, [inputs])
        return fingerprint

    def make_fingerprints(self, stage: Stage, pieces: Sequence[Sequence[str]]) -> list[str]:
        """Digest all that decides the rows of each piece of a stage's work.

        Parameters
        ----------
        stage : Stage
        pieces : sequence of sequence of str
            Digests of what each piece is made from. Where the whole survey is one piece, what the
            stage needs is added.
        """
        needed = []
        if stage.per in (Per.SURVEY, Per.MODEL):
            needed = [self.find_content(name) for name in stage.needs]
        tables = [self.kind[d.name] for d in stage.makes if d.name in self.kind]
        forms = [_describe_table(table) for table in tables]
        common = (stage.name, stage.revision, stage.select(self.config), forms, needed)
        return [digest(*common, list(inputs)) for inputs in pieces]

    def _find_per(self, dataset: str) -> Per:
        """Return what a dataset has a file for; what no stage makes lies beside a given model."""
        return self._datasets[dataset][0].per if dataset in self._datasets else Per.MODEL

    def _list_done(self, dataset: str) -> list[Outcome]:
        if dataset not in self._datasets:
            return []
        _, stage = self._datasets[dataset]
        return [o for o in self.get_outcomes(stage.name) if o.state is ShardState.DONE]


def _describe_table(table: Table) -> list[object]:
    """Return what of a table decides its rows' form; words about it do not."""
    return [[c.name, str(c.type), c.nullable, c.size if c.array else 1] for c in table.columns]
