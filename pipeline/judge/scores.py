"""The scores of a whole run."""

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.run import Run


def read_scores(run: Run) -> pa.Table:
    """Return the whole `scores` dataset but for the latents.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    columns = [name for name in run.kind["scores"].names if name != "latent"]
    tables = run.read_shards("scores", run.list_shards("scores"), columns)
    scores = pa.concat_tables(tables.values()) if tables else None
    if scores is None or not scores.num_rows:
        raise UserError(f"{run.store.root}: nothing was scored; `qad status` says where they went")
    return scores.combine_chunks()
