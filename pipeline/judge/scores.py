"""The scores of a whole run."""

from collections.abc import Sequence

import pyarrow as pa

from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.run import Run


def read_scores(run: Run, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the whole `scores` dataset: some columns, or all but the latents.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    if columns is None:
        columns = [name for name in run.kind["scores"].names if name != "latent"]
    tables = run.read_shards("scores", run.list_shards("scores"), columns)
    scores = pa.concat_tables(tables.values()) if tables else None
    if scores is None or not scores.num_rows:
        raise UserError(f"{run.store.root}: nothing was scored; `qad status` says where they went")
    return scores.combine_chunks()


def read_compared(run: Run, *others: str) -> pa.Table:
    """Return keys, samples, conditions and statistics of the whole `scores` dataset.

    Parameters
    ----------
    run : Run
    *others : str
        Further columns; those that the kind has not are left out.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    known = [name for name in others if name in run.kind["scores"].names]
    names = (*ROW_KEY, "parent", *run.kind.waist.condition_names, "statistics", *known)
    return read_scores(run, names)
