"""Decides, before anything is drawn, which shards there are and what each will hold."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix

from catalog_schema.desi import HEALPIX_ORDER
from pipeline.spectra.mock.anomalies import FAMILIES, FAMILIES_OF

ANOMALY_SHARE = 0.03
SHARED_QUASARS = 3
# Share of the quasars in the bright and in the sv3 shard.
_MINOR_SHARE = 0.06


@dataclass(frozen=True)
class Members:
    """Galaxies or stars of a shard that belong to a population: how many, and what to plant."""

    count: int
    families: tuple[str, ...]


@dataclass(frozen=True)
class ShardPlan:
    """What one shard will hold, decided before any is made.

    `families` names the anomalies to plant; `ebv` is E(B-V) in mag; `shared` quasars come from
    `shared_seed`, which the two programs of one pixel have in common; `members` are those of the
    populations beside the quasars, by class. Coadds have their resolution matrices or not.
    """

    survey: str
    program: str
    healpix: int
    ebv: float
    n_quasars: int
    families: tuple[str, ...]
    shared: int
    tile: int
    first_object: int
    seed: np.random.SeedSequence
    shared_seed: np.random.SeedSequence
    members: Mapping[str, Members] = field(default_factory=dict)
    has_resolution: bool = True

    @property
    def folder(self) -> Path:
        """Folder of the shard's files below the root of the reduction."""
        group = str(self.healpix // 100)
        return Path("healpix", self.survey, self.program, group, str(self.healpix))

    def planting(self, family: str, number: int) -> np.random.Generator:
        """Random stream of the shard's anomaly of that number in its family.

        Members of a population have theirs by class, or class and family.
        """
        key = (*self.seed.spawn_key, zlib.crc32(family.encode()), number)
        return np.random.default_rng(np.random.SeedSequence(self.seed.entropy, spawn_key=key))


def plan_shards(
    n_quasars: int, n_pixels: int, seed: int, *, n_galaxies: int = 0, n_stars: int = 0
) -> list[ShardPlan]:
    """Decide shards, quasars and anomalies; each shard gets a random stream of its own.

    Galaxies and stars are spread evenly over the shards, whatever their program.
    """
    root = np.random.SeedSequence(seed)
    plan_seed, shared_seed, *seeds = root.spawn(n_pixels + 2)
    rng = np.random.default_rng(plan_seed)
    kinds = [("main", "dark")] * n_pixels
    if n_pixels >= 2:
        kinds[-1] = ("main", "bright")
    if n_pixels >= 3:
        kinds[-2:] = [("main", "bright"), ("sv3", "dark")]
    pixels = _draw_pixels(rng, n_pixels)
    ebv = np.clip(rng.lognormal(-3.4, 0.5, n_pixels), 0.008, 0.15)
    counts = _share_quasars(n_quasars, kinds)
    # Another number of families leaves all other draws as they are.
    [deck_seed] = plan_seed.spawn(1)
    anomalies = _deal_families(rng, np.random.default_rng(deck_seed), n_quasars, counts)
    others = {
        true_class: _plan_members(true_class, count, n_pixels, seed)
        for true_class, count in (("galaxy", n_galaxies), ("star", n_stars))
        if count
    }
    plans = []
    for number, (survey, program) in enumerate(kinds):
        place = 0 if program == "bright" else number
        is_twin = n_pixels >= 2 and (number == 0 or program == "bright")
        plans.append(
            ShardPlan(
                survey=survey,
                program=program,
                healpix=pixels[place],
                ebv=float(ebv[place]),
                n_quasars=counts[number],
                families=anomalies[number],
                shared=min(SHARED_QUASARS, *(c // 2 for c in counts)) if is_twin else 0,
                tile=1000 + 10 * number,
                first_object=4000 if program == "bright" else 0,
                seed=seeds[number],
                shared_seed=shared_seed,
                members={name: shards[number] for name, shards in others.items()},
            )
        )
    return plans


def _draw_pixels(rng: np.random.Generator, count: int) -> list[int]:
    # A patch of the northern Galactic cap that DESI covers.
    ra, sine = rng.uniform(140, 250, 20 * count + 50), rng.uniform(-0.05, 0.85, 20 * count + 50)
    dec = np.degrees(np.arcsin(sine))
    places = Longitude(ra, units.deg), Latitude(dec, units.deg)
    pixels = lonlat_to_healpix(*places, np.uint8(HEALPIX_ORDER))
    return list(dict.fromkeys(pixels.tolist()))[:count]


def _share_quasars(n_quasars: int, kinds: list[tuple[str, str]]) -> list[int]:
    is_minor = np.array([kind != ("main", "dark") for kind in kinds])
    weight = np.where(is_minor, min(_MINOR_SHARE, 1 / len(kinds)), 0.0)
    weight[~is_minor] = (1 - weight.sum()) / np.count_nonzero(~is_minor)
    bounds = np.round(np.cumsum(weight) * (n_quasars - len(kinds))).astype(int)
    return [int(count) + 1 for count in np.diff(np.r_[0, bounds])]


def _deal_families(
    rng: np.random.Generator, deck_rng: np.random.Generator, n_quasars: int, counts: list[int]
) -> list[tuple[str, ...]]:
    wanted = round(ANOMALY_SHARE * n_quasars)
    names = _deal(deck_rng, list(FAMILIES), wanted)
    room = [max(count - SHARED_QUASARS, 0) for count in counts]
    return _seat(rng, names, room)


def refuse_members(plans: list[ShardPlan]) -> None:
    """Refuse populations of galaxies and stars, which one layout alone is written with.

    Raises
    ------
    ValueError
    """
    if any(plan.members for plan in plans):
        raise ValueError("populations of galaxies and stars are written in DESI's layout alone.")


def _plan_members(true_class: str, count: int, n_pixels: int, seed: int) -> list[Members]:
    # Of a stream of its own: no quasar knows of the galaxies and stars.
    key = (zlib.crc32(true_class.encode()),)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    counts = np.diff(np.round(np.linspace(0, count, n_pixels + 1)).astype(int)).tolist()
    names = _deal(rng, list(FAMILIES_OF[true_class]), round(ANOMALY_SHARE * count))
    return [
        Members(count, families)
        for count, families in zip(counts, _seat(rng, names, counts), strict=True)
    ]


def _seat(rng: np.random.Generator, names: list[str], room: list[int]) -> list[tuple[str, ...]]:
    """Give each name a place in a shard that has room for it."""
    seats = rng.permutation(np.repeat(np.arange(len(room)), room))[: len(names)]
    dealt: list[list[str]] = [[] for _ in room]
    for seat, name in zip(seats, names, strict=False):
        dealt[seat].append(name)
    return [tuple(part) for part in dealt]


def _deal(rng: np.random.Generator, names: list[str], wanted: int) -> list[str]:
    """Deal names from a deck that is shuffled anew whenever it is used up."""
    dealt: list[str] = []
    while len(dealt) < wanted:
        dealt += [names[at] for at in rng.permutation(len(names))]
    return dealt[:wanted]
