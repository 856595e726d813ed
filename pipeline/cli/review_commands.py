"""The commands `qad review` and `qad rank`."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import root_option

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.flow.root import Root
    from pipeline.reviews.published import Published
    from pipeline.reviews.review import Review

_ROOT = root_option("Data root whose ledger holds the reviews.")
_RELEASE = click.option(
    "--release",
    metavar="X.Y.Z|FOLDER",
    help="Release of the reviewed objects; without it the newest of the data root.",
)


@click.group()
def review() -> None:
    """Bring in, write out and sum up the reviews of published objects."""


@review.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_ROOT
@_RELEASE
def import_reviews(file: Path, root: Path, release: str | None) -> None:
    """Append the reviews of FILE, a CSV of prospect or of `qad review export`."""
    from pipeline.reviews.prospect import read_csv

    with _opening(root, release) as (store, published):
        reviews = read_csv(file, published)
        n_new = store.reviews.append(reviews)
    click.echo(f"{n_new} reviews appended, {len(reviews) - n_new} were there already")


@review.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_ROOT
@_RELEASE
@click.option(
    "--full",
    "is_full",
    is_flag=True,
    help="Every event, with columns of our own, which prospect's reader refuses.",
)
def export(file: Path, root: Path, release: str | None, is_full: bool) -> None:
    """Write the reviews in force to FILE, a CSV with exactly prospect's columns."""
    from pipeline.reviews.prospect import write_csv

    with _opening(root, release) as (store, published):
        reviews = store.reviews.load(published.sample)
        n_rows = write_csv(file, reviews, published, is_full)
    click.echo(f"{n_rows} reviews of objects of release {published.version}: {file}")


@review.command()
@_ROOT
@_RELEASE
def show(root: Path, release: str | None) -> None:
    """Say how many objects are reviewed, by whom, with what verdict and agreement."""
    with _opening(root, release) as (store, published):
        reviews = store.reviews.load(published.sample)
    mine = [each for each in reviews if each.targetid in published]
    click.echo(f"release {published.version}, sample {published.sample}")
    for line in _describe(mine):
        click.echo(line)
    if len(mine) < len(reviews):
        click.echo(f"{len(reviews) - len(mine)} reviews are of objects that the release lacks")


@click.command()
@_ROOT
@_RELEASE
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting."
)
def rank(
    root: Path, release: str | None, config_path: Path | None, overrides: tuple[str, ...]
) -> None:
    """Rank the objects of a release for review, from the reviews so far."""
    import pyarrow.parquet as pq

    from catalog_schema.kinds import KINDS
    from pipeline.config import load_config
    from pipeline.judge.rank import rank as rank_objects
    from pipeline.lake.store import digest_rows
    from pipeline.reviews.audit import measure_purity
    from pipeline.reviews.consensus import find_consensus

    settings = load_config(config_path, overrides).rank
    with _opening(root, release) as (store, published):
        reviews = store.reviews.load(published.sample)
    kind, path = KINDS[published.kind], store.lake.queue(published.version)
    catalogue = _find_release(root, release) / kind.main_file
    queue = rank_objects(catalogue, kind, reviews, settings)
    store.write(
        path,
        queue,
        kind["queue"],
        fingerprint=digest_rows(queue),
        n_expected=len(published),
        n_made=queue.num_rows,
    )
    click.echo(f"queue       {path}: {queue.num_rows} objects after {len(reviews)} reviews")
    rows = pq.read_table(catalogue, columns=["TARGETID", "tier"])
    purity = measure_purity(
        rows["TARGETID"].to_numpy(),
        rows["tier"].to_pylist(),
        find_consensus(reviews),
        settings.audit_fraction,
    )
    for line in _describe_purity(purity):
        click.echo(line)


@contextmanager
def _opening(root: Path, release: str | None) -> "Iterator[tuple[Root, Published]]":
    from pipeline.flow.root import open_root
    from pipeline.reviews.published import read_published

    published = read_published(_find_release(root, release))
    store = open_root(root)
    with store.reviews.closing():
        yield store, published


def _find_release(root: Path, release: str | None) -> Path:
    from pipeline.errors import UserError
    from pipeline.lake.layout import Lake

    lake = Lake(root)
    if release is not None:
        return Path(release) if Path(release).is_dir() else lake.release(release)
    if not lake.releases:
        raise UserError(f"{root}: no release here; build one with `qad release build`")
    return lake.releases[-1]


def _describe(reviews: "list[Review]") -> Iterator[str]:
    from collections import Counter

    from pipeline.reviews.consensus import find_consensus, measure_agreement
    from pipeline.reviews.review import select_in_force

    standing = select_in_force(reviews)
    consensus = find_consensus(reviews).values()
    statuses = Counter(each.status.value for each in consensus)
    verdicts = Counter(each.verdict.value for each in consensus if each.verdict)
    yield f"events      {len(reviews)}, of which {len(standing)} in force"
    yield f"objects     {len(consensus)}: {_count(statuses) or 'none reviewed yet'}"
    yield f"verdicts    {_count(verdicts) or 'none'}"
    yield f"reviewers   {_count(Counter(each.reviewer for each in standing)) or 'none'}"
    agreement = measure_agreement(reviews)
    for pair in agreement.pairs:
        names = " and ".join(pair.reviewers)
        yield f"agreement   {names}: Cohen's kappa {_write(pair.kappa)}, {pair.n_objects} objects"
    if agreement.n_objects:
        kappa = _write(agreement.fleiss_kappa)
        yield f"agreement   all: Fleiss' kappa {kappa}, {agreement.n_objects} objects"


def _describe_purity(purity: "pa.Table") -> Iterator[str]:
    yield f"{'tier':8}{'objects':>9}{'drawn':>7}{'judged':>8}{'anomalous':>11}{'purity':>8}  95 %"
    for row in purity.to_pylist():
        n_decided = row["n_anomalous"] + row["n_ordinary"] + row["n_artefact"]
        share = "-" if row["purity"] is None else f"{row['purity']:.2f}"
        yield (
            f"{row['tier']:8}{row['n_objects']:9,}{row['n_drawn']:7,}{n_decided:8}"
            f"{row['n_anomalous']:11}{share:>8}  {row['purity_low']:.2f} to "
            f"{row['purity_high']:.2f}"
        )


def _count(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _write(kappa: float) -> str:
    # NaN: all said the same throughout, so that chance would have agreed as well.
    return "undefined" if math.isnan(kappa) else f"{kappa:.2f}"
