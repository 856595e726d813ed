"""Who and where the targets of a shard are."""

from dataclasses import dataclass

import numpy as np
from astropy import units
from cdshealpix.nested import healpix_to_lonlat

from catalog_schema.desi import HEALPIX_ORDER

_FINE_DEPTH = 20  # 0.2 arcsec: centres of these cells lie inside their nside 64 pixel
_SKY_BIT = 1 << 59


@dataclass(frozen=True)
class Identity:
    """Who the targets of a shard are: TARGETID (n,) int64, RA and DEC (n,) deg (ICRS)."""

    targetid: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    def joined(self, other: "Identity") -> "Identity":
        """These targets followed by those of `other`."""
        return Identity(
            np.concatenate([self.targetid, other.targetid]),
            np.concatenate([self.ra, other.ra]),
            np.concatenate([self.dec, other.dec]),
        )


def draw_identity(
    rng: np.random.Generator, healpix: int, classes: list[str], first_object: int, tile: int
) -> Identity:
    """Draw unique TARGETIDs and positions inside nside 64 NESTED pixel `healpix`.

    TARGETID packs OBJID, BRICKID, RELEASE and the sky bit as desitarget does; a stuck fibre has
    -(10000 TILEID + LOCATION). `first_object` keeps the shards of one pixel apart.
    """
    brick, number = np.divmod(rng.choice(40000, len(classes), replace=False), 4000)
    targetid = (9010 << 42) | ((100000 + 10 * healpix + brick) << 22) | (first_object + number)
    kinds = np.array(classes)
    targetid = np.where(kinds == "sky", targetid | _SKY_BIT, targetid)
    location = 1000 * rng.integers(0, 10, len(classes)) + np.arange(len(classes)) % 524
    targetid = np.where(kinds == "stuck", -(10000 * tile + location), targetid)
    ra, dec = draw_positions(rng, np.full(len(classes), healpix))
    return Identity(targetid.astype(np.int64), ra, dec)


def draw_positions(rng: np.random.Generator, healpix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw RA and DEC (n,) deg (ICRS) inside nside 64 NESTED pixels (n,)."""
    cells = rng.integers(0, 4 ** (_FINE_DEPTH - HEALPIX_ORDER), len(healpix))
    fine = (healpix << 2 * (_FINE_DEPTH - HEALPIX_ORDER)) + cells
    ra, dec = healpix_to_lonlat(fine.astype(np.uint64), np.uint8(_FINE_DEPTH))
    return ra.to_value(units.deg), dec.to_value(units.deg)
