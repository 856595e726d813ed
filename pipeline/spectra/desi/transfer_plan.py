"""What fetching the spectra would cost, from headers and lists of targets only."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from catalog_schema.tables import TARGETS
from pipeline.errors import DataError, UserError
from pipeline.fits.tables import find_rows
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.progress import track
from pipeline.run import Run
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import (
    CoaddFile,
    check_coadd,
    open_coadd,
    plan_arms,
    read_targetids,
)
from pipeline.spectra.desi.survey import DesiSurvey
from pipeline.spectra.desi.tree import DesiTree
from pipeline.spectra.surveys import recognise_survey
from pipeline.transport.ranges import Link

_MODES = {"whole file": None, "whole HDUs": "hdus", "rows": "rows", "as set": "set"}
_SHARDS_AT_A_TIME = 8


@dataclass(frozen=True)
class ShardCost:
    """Rows of one shard, and bytes, requests and seconds by mode (columns), or why not."""

    n_rows: int
    figures: NDArray[np.float64]
    error: str | None = None


def describe_transfer(run: Run) -> Iterator[str]:
    """Yield lines: shards, rows, and for each mode bytes, requests and hours.

    Parameters
    ----------
    run : Run
        Reads `targets`; keeps the indices of the coadds, so that `acquire` need not read them.
        Hours are those of ``run.workers`` workers that do not slow each other down, on the link
        as measured while the headers were read.

    Raises
    ------
    UserError
        If the source is of another survey.
    """
    store, config = run.store, run.config
    if recognise_survey(config.run) is not DesiSurvey:
        raise UserError("--plan is for DESI's coadds; of other surveys whole files are read")
    tree = DesiSurvey.open(store, config).tree
    shards = [shard for shard, n in run.count_rows(TARGETS.name).items() if n]
    targets = run.read_shards(TARGETS.name, shards, ["TARGETID"])
    wanted = [rows["TARGETID"].to_numpy() for rows in targets.values()]
    work = partial(_price, store, tree, config.acquire)
    with ThreadPoolExecutor(_SHARDS_AT_A_TIME) as pool:
        costs = list(track(pool.map(work, shards, wanted), "plan", len(shards)))
    usable = [cost for cost in costs if cost.error is None]
    yield f"shards      {len(usable)} of {len(shards)} usable"
    yield f"rows        {sum(cost.n_rows for cost in usable)} of {sum(map(len, wanted))} targets"
    yield f"{'mode':12}{'GB':>12}{'requests':>12}{'hours':>10}"
    total = sum((cost.figures for cost in usable), np.zeros((3, len(_MODES))))
    for name, (n_bytes, n_requests, seconds) in zip(_MODES, total.T, strict=True):
        hours = seconds / config.run.workers / 3600
        yield f"{name:12}{n_bytes / 1e9:12.3f}{n_requests:12.0f}{hours:10.3f}"
    link = tree.source.link
    yield (
        f"link        {1e3 * link.latency:.1f} ms, {link.bandwidth / 1e6:.0f} MB/s, "
        f"{link.concurrency} requests at a time; acquire.mode is {config.acquire.mode}"
    )
    for shard, cost in zip(shards, costs, strict=True):
        if cost.error:
            yield f"unusable    {shard}: {cost.error}"


def _price(
    store: Store,
    tree: DesiTree,
    settings: AcquireSettings,
    shard: Shard,
    wanted: NDArray[np.int64],
) -> ShardCost:
    try:
        coadd = open_coadd(tree.find_file("coadd", shard), store.lake.index(shard))
        check_coadd(coadd)
        rows, _ = find_rows(read_targetids(coadd), wanted)
    except DataError as error:
        return ShardCost(0, np.zeros((3, len(_MODES))), str(error))
    # The link is measured all the while; the modes are compared on the same one.
    link = tree.source.link
    figures = [_price_mode(coadd, rows, settings, mode, link) for mode in _MODES.values()]
    return ShardCost(len(rows), np.array(figures).T)


def _price_mode(
    coadd: CoaddFile,
    rows: NDArray[np.intp],
    settings: AcquireSettings,
    mode: str | None,
    link: Link,
) -> tuple[float, float, float]:
    if mode is None:
        return coadd.index.size, 1, link.cost(coadd.index.size, 1)
    chosen = settings if mode == "set" else settings.model_copy(update={"mode": mode})
    plan = plan_arms(coadd, rows, chosen, link)
    # One more request lists the file's targets and their exposures.
    tables = (coadd.index.find(name) for name in ("FIBERMAP", "EXP_FIBERMAP"))
    listed = sum(table.stop - table.start for table in tables if table)
    n_bytes, n_requests = plan.n_bytes + listed, len(plan.ranges) + 1
    return n_bytes, n_requests, link.cost(n_bytes, n_requests)
