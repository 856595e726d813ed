"""The mock survey: observes its shards and writes the DR1 tree and its truth."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema.column import arrow_schema
from catalog_schema.tables import TRUTH
from pipeline.spectra.mock import (
    afterburner,
    earlier_spectra,
    external,
    fibermap,
    fits,
    redrock,
    zcatalog,
)
from pipeline.spectra.mock.anomalies import ALL_FAMILIES
from pipeline.spectra.mock.columns import TSNR2, fill_table, table_dtype
from pipeline.spectra.mock.identity import Identity, draw_identity
from pipeline.spectra.mock.members import draw_members
from pipeline.spectra.mock.observe import Coadd, Target, draw_conditions, draw_target, observe
from pipeline.spectra.mock.plan import ShardPlan, plan_shards

# Rows per quasar. Real shards hold far fewer quasars; this keeps the files modest.
_COMPANIONS = {"galaxy": 0.25, "star": 0.15, "standard": 0.05, "sky": 0.18, "stuck": 0.03}
_TRUTH = pa.schema([(field.name, field.type) for field in arrow_schema(TRUTH)])

# Told shards done and shards in all.
Progress = Callable[[int, int], None]
# Writes a tree of the planned shards and returns its truth table; also given the seed.
Writer = Callable[[Path, list[ShardPlan], int, Progress], pa.Table]


def write_desi_tree(tree: Path, plans: list[ShardPlan], seed: int, progress: Progress) -> pa.Table:
    """Write the tree of DR1, from ``spectro/redux/iron``, and external catalogues."""
    table, rows = _write_tree(tree, plans, progress)
    external.write_catalogues(tree / "external", rows, seed)
    return table


def make_survey(
    destination: Path,
    *,
    n_quasars: int,
    n_pixels: int,
    seed: int,
    n_galaxies: int = 0,
    n_stars: int = 0,
    has_resolution: bool = True,
    progress: Progress = lambda *_: None,
    write: Writer = write_desi_tree,
) -> None:
    """Write a mock survey below `destination`, and its truth table beside it.

    Parameters
    ----------
    destination : folder to make.
    n_quasars : number of quasar spectra over all shards.
    n_pixels : number of shards. The last is sv3/dark (from 3), the one before it main/bright in
        the pixel of the first (from 2), all others main/dark.
    seed : the same seed gives the same bytes in every file.
    n_galaxies, n_stars : numbers over all shards of the populations beside the quasars and their
        companions. They leave the spectra of these as they are.
    has_resolution : whether coadds have their resolution matrices.
    progress : called with (shards done, shards in all).
    write : writes the tree, by default in DR1's layout.

    Raises
    ------
    FileExistsError
        If `destination` or its truth table exists.
    ValueError
        If there are fewer quasars than shards or no shard.
    """
    truth = destination.with_name(f"{destination.name}-truth.parquet")
    for path in (destination, truth):
        if path.exists():
            raise FileExistsError(f"{path} exists: remove it or choose another destination.")
    if not 1 <= n_pixels <= n_quasars:
        raise ValueError(f"n_pixels must be 1 to n_quasars, got {n_pixels} and {n_quasars}.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    # A sibling is on the same disk, so that the final rename is one step.
    building = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        tree = building / "tree"
        plans = plan_shards(n_quasars, n_pixels, seed, n_galaxies=n_galaxies, n_stars=n_stars)
        plans = [replace(plan, has_resolution=has_resolution) for plan in plans]
        table = write(tree, plans, seed, progress)
        pq.write_table(table, building / "truth.parquet")
        (building / "truth.parquet").rename(truth)
        (building / "tree").rename(destination)
    finally:
        shutil.rmtree(building)


def _write_tree(
    tree: Path, plans: list[ShardPlan], progress: Progress
) -> tuple[pa.Table, np.ndarray]:
    root = tree / "spectro" / "redux" / "iron"
    catalogs, truths, sightings = [], [], []
    for done, plan in enumerate(plans, start=1):
        rows, truth, seen = _write_shard(root, plan, tree / "external" / "earlier")
        catalogs.append(rows)
        truths.append(truth)
        sightings += seen
        progress(done, len(plans))
    table = np.concatenate(catalogs)
    zcatalog.mark_primary(table)
    fits.write_zcatalog(root / "zcatalog" / "v1" / "zall-pix-iron.fits", table)
    earlier_spectra.write_index(tree / "external" / "earlier.csv", sightings)
    return pa.concat_tables(truths), table


def _write_shard(
    root: Path, plan: ShardPlan, past: Path
) -> tuple[np.ndarray, pa.Table, list[earlier_spectra.Sighting]]:
    rng = np.random.default_rng(plan.seed)
    identity, sample = draw_sample(rng, plan)
    parts = [_observe(rng, plan, identity, sample)]
    # Of these and of no other stream: what was drawn before the mock had a past, or populations
    # of galaxies and stars, stays as it was.
    past_seed, members_seed = plan.seed.spawn(2)
    if plan.members:
        rng = np.random.default_rng(members_seed)
        parts.append(_observe(rng, plan, *draw_members(plan, rng)))
    _write_files(root, plan, parts)
    rng = np.random.default_rng(past_seed)
    sightings = earlier_spectra.write_spectra(past, rng, plan.tile, identity, sample)
    rows = np.concatenate([part.zcatalog for part in parts])
    return rows, pa.concat_tables([part.truth for part in parts]), sightings


@dataclass(frozen=True)
class _Part:
    """What is known of some targets of a shard; all tables and spectra have their rows in order.

    `tables` are those of the coadd file, `fits` those of the other files by name.
    """

    coadd: Coadd
    tables: dict[str, np.ndarray]
    fits: dict[str, np.ndarray]
    zcatalog: np.ndarray
    truth: pa.Table


def _observe(
    rng: np.random.Generator, plan: ShardPlan, identity: Identity, sample: list[Target]
) -> _Part:
    coadd = observe(rng, sample)
    status = fibermap.draw_fiberstatus(rng, sample, coadd)
    exposures = fibermap.build_exposures(rng, plan.survey, plan.tile, identity, sample, status)
    fibers = fibermap.build_fibermap(
        rng, plan.survey, plan.program, identity, sample, exposures, coadd.is_dead, plan.ebv
    )
    scores = redrock.build_scores(rng, identity.targetid, sample, coadd)
    redshifts = redrock.build_redshifts(rng, identity.targetid, sample, coadd)
    mgii, quasarnet = afterburner.build_afterburners(rng, fibers, redshifts, sample, coadd)
    rows = zcatalog.build_zcatalog(
        plan.survey, plan.program, plan.healpix, fibers, redshifts, scores, exposures, status
    )
    return _Part(
        coadd,
        {"FIBERMAP": fibers, "EXP_FIBERMAP": exposures, "SCORES": scores},
        {"REDSHIFTS": redshifts, "MGII": mgii, "QN_RR": quasarnet},
        rows,
        make_truth(plan, identity, sample, coadd),
    )


def _write_files(root: Path, plan: ShardPlan, parts: list[_Part]) -> None:
    header = fits.shard_header(plan.survey, plan.program, plan.healpix)
    stem = f"{plan.survey}-{plan.program}-{plan.healpix}.fits"
    folder = root / plan.folder
    tables = {name: np.concatenate([p.tables[name] for p in parts]) for name in parts[0].tables}
    fitted = {name: np.concatenate([p.fits[name] for p in parts]) for name in parts[0].fits}
    exposures = tables["EXP_FIBERMAP"]
    first = np.flatnonzero(np.r_[True, np.diff(exposures["TARGETID"]) != 0])
    spectra = (
        np.concatenate([part.coadd.flux for part in parts]),
        np.concatenate([part.coadd.ivar for part in parts]),
        np.concatenate([part.coadd.mask for part in parts]),
    )
    petal = exposures["PETAL_LOC"][first]
    path = folder / f"coadd-{stem}"
    fits.write_coadd(path, header, tables, spectra, petal, has_resolution=plan.has_resolution)
    scores = tables["SCORES"]
    tsnr2 = {name: scores[name] for name in table_dtype(TSNR2).names or ()}
    redrock = {"REDSHIFTS": fitted["REDSHIFTS"], "FIBERMAP": tables["FIBERMAP"]}
    redrock["EXP_FIBERMAP"] = exposures
    redrock["TSNR2"] = fill_table(TSNR2, scores.size, **tsnr2)
    fits.write_tables(folder / f"redrock-{stem}", {**fits.redrock_header(), **header}, redrock)
    fits.write_tables(folder / f"qso_mgii-{stem}", {}, {"MGII": fitted["MGII"]})
    fits.write_tables(folder / f"qso_qn-{stem}", {}, {"QN_RR": fitted["QN_RR"]})


def draw_sample(rng: np.random.Generator, plan: ShardPlan) -> tuple[Identity, list[Target]]:
    """Draw who is in a shard and how each target is."""
    own = plan.n_quasars - plan.shared
    jobs: list[tuple[str, str | None]] = [("quasar", name) for name in plan.families]
    jobs += [("quasar", None)] * (own - len(plan.families))
    for true_class, share in _COMPANIONS.items():
        jobs += [(true_class, None)] * max(1, round(share * plan.n_quasars))
    jobs = [jobs[at] for at in rng.permutation(len(jobs))]
    classes = [true_class for true_class, _ in jobs]
    identity = draw_identity(rng, plan.healpix, classes, plan.first_object, plan.tile)
    sample: list[Target] = []
    for true_class, family in jobs:
        # A planted quasar draws from a stream of its own, so that the others stay what they are.
        place = sum(target.family == family for target in sample)
        stream = plan.planting(family, place) if family else rng
        sample.append(draw_target(stream, true_class, plan.ebv, family))
    shared_rng = np.random.default_rng(plan.shared_seed)
    twins = ["quasar"] * plan.shared
    # Object numbers from 8000 on are nobody's but the shared quasars'.
    identity = identity.joined(draw_identity(shared_rng, plan.healpix, twins, 8000, plan.tile))
    sample += [draw_target(shared_rng, "quasar", plan.ebv) for _ in twins]
    for target in sample:
        z = target.z_true if target.true_class == "quasar" else 0.0
        target.conditions = draw_conditions(rng, plan.survey, plan.program, z)
    return identity, sample


def make_truth(plan: ShardPlan, identity: Identity, sample: list[Target], coadd: Coadd) -> pa.Table:
    """Return the rows of the truth table of a shard."""
    n = len(sample)
    families = [target.family for target in sample]
    columns = {
        "SURVEY": [plan.survey] * n,
        "PROGRAM": [plan.program] * n,
        "HEALPIX": [plan.healpix] * n,
        "TARGETID": identity.targetid,
        "true_class": ["sky" if t.true_class == "stuck" else t.true_class for t in sample],
        "z_true": _null_where_nan([target.z_true for target in sample]),
        "family": families,
        "kind": [ALL_FAMILIES[name].kind if name else None for name in families],
        "is_taught": [ALL_FAMILIES[name].is_taught if name else None for name in families],
        "strength": _null_where_nan(coadd.strength.tolist()),
        "wave_rest": _null_where_nan([target.wave_rest for target in sample]),
        "snr_true": coadd.snr,
    }
    return pa.table(columns, schema=_TRUTH)


def _null_where_nan(values: list[float]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
