"""The scores of a whole run."""

import pyarrow as pa

from catalog_schema.tables import SCORES
from pipeline.errors import UserError
from pipeline.run import Run


def read_scores(run: Run) -> pa.Table:
    """Return the whole `scores` dataset but for the latents.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    columns = [name for name in SCORES.names if name != "latent"]
    tables = run.read_shards(SCORES.name, run.list_shards(SCORES.name), columns)
    scores = pa.concat_tables(tables.values()) if tables else None
    if scores is None or not scores.num_rows:
        raise UserError(
            f"{run.store.root}: no spectrum was scored; `qad status` says where they went"
        )
    return scores.combine_chunks()
