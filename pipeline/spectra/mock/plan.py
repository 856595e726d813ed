"""Decides, before anything is drawn, which shards there are and what each will hold."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units
from astropy.coordinates import Latitude, Longitude
from cdshealpix.nested import lonlat_to_healpix

from catalog_schema.desi import HEALPIX_ORDER
from pipeline.spectra.mock.anomalies import FAMILIES

ANOMALY_SHARE = 0.03
SHARED_QUASARS = 3
# Share of the quasars in the bright and in the sv3 shard.
_MINOR_SHARE = 0.06


@dataclass(frozen=True)
class ShardPlan:
    """What one shard will hold, decided before any is made.

    `families` names the anomalies to plant; `ebv` is E(B-V) in mag; `shared` quasars come from
    `shared_seed`, which the two programs of one pixel have in common.
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

    @property
    def folder(self) -> Path:
        """Folder of the shard's files below the root of the reduction."""
        group = str(self.healpix // 100)
        return Path("healpix", self.survey, self.program, group, str(self.healpix))

    def planting(self, family: str, number: int) -> np.random.Generator:
        """Random stream of the shard's anomaly of that number in its family."""
        key = (*self.seed.spawn_key, zlib.crc32(family.encode()), number)
        return np.random.default_rng(np.random.SeedSequence(self.seed.entropy, spawn_key=key))


def plan_shards(n_quasars: int, n_pixels: int, seed: int) -> list[ShardPlan]:
    """Decide shards, quasars and anomalies; each shard gets a random stream of its own."""
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
    deck = _shuffled_forever(deck_rng)
    names = [next(deck) for _ in range(wanted)]
    room = [max(count - SHARED_QUASARS, 0) for count in counts]
    seats = rng.permutation(np.repeat(np.arange(len(counts)), room))[:wanted]
    dealt: list[list[str]] = [[] for _ in counts]
    for seat, name in zip(seats, names, strict=False):
        dealt[seat].append(name)
    return [tuple(part) for part in dealt]


def _shuffled_forever(rng: np.random.Generator) -> Iterator[str]:
    names = list(FAMILIES)
    while True:
        yield from (names[at] for at in rng.permutation(len(names)))
