"""Which rows of LAMOST's catalogue may enter a parent sample."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.vocabulary import ControlKind
from pipeline.science.sky import are_positions
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.choosing import choose, list_faults
from pipeline.spectra.survey import Choice, Columns

_QUASAR, _GALAXY, _STAR = "QSO", "GALAXY", "STAR"
_TARGET, _SKY, _STANDARD = "OBJ", "SKY", "F-STD"
# Fibres that are not where they should be, or nowhere.
_BAD_FIBRES = ("UNUSED", "POSERR", "DEAD")
# Chord on the unit sphere of 3 arcsec, within which two spectra are of one object.
_SAME_OBJECT = np.radians(3 / 3600)


def choose_rows(rows: Columns, settings: TargetSettings, fault: NDArray[np.str_]) -> Choice:
    """Say where each row goes: core, or drawn as a control, or the first gate that it fails.

    Of several spectra of one object that pass, that of the highest signal-to-noise ratio is
    primary, so that no object is learnt from in one spectrum and scored in another.

    Parameters
    ----------
    rows : mapping
        TARGETID, TARGET_RA, TARGET_DEC, Z, SPECTYPE in capitals, type of the `fibre`, whether it
        `has_fault`, and the `snr`; shape (n,).
    settings : TargetSettings
    fault : ndarray of str, shape (n,)
        Gate of the rows whose spectrum is not there or cannot be read; else empty.
    """
    z, spectype = rows["Z"], rows["SPECTYPE"]
    fibre = np.char.upper(rows["fibre"].astype(str))
    is_placed = are_positions(rows["TARGET_RA"], rows["TARGET_DEC"])
    is_bad = np.isin(fibre, _BAD_FIBRES) | (rows["has_fault"] & (fibre != _SKY))
    fails = {
        **list_faults(fault),
        "no_position": ~is_placed,
        "not_a_target": fibre == _SKY,
        "bad_fiberstatus": is_bad,
    }
    if settings.parent.in_rest_frame:
        fails["unknown_class"] = ~np.isin(spectype, (_QUASAR, _GALAXY, _STAR))
        fails[settings.parent.gate] = spectype != settings.parent.spectype
    fails |= {
        "no_redshift": ~np.isfinite(z),
        "redshift_outside_range": (z < settings.z_min) | (z > settings.z_max),
    }
    passes = ~np.any(list(fails.values()), axis=0)
    fails["not_primary"] = np.zeros(len(z), bool)
    fails["not_primary"][passes] = ~find_primary(
        rows["TARGET_RA"][passes], rows["TARGET_DEC"][passes], rows["snr"][passes]
    )
    is_object = np.isin(fibre, (_TARGET, _STANDARD, ""))
    kinds = {
        ControlKind.SKY: (fibre == _SKY, settings.sky_fraction),
        ControlKind.STANDARD: (fibre == _STANDARD, settings.standard_fraction),
        ControlKind.GALAXY: (is_object & (spectype == _GALAXY), settings.galaxy_fraction),
        ControlKind.STAR: (is_object & (spectype == _STAR), settings.star_fraction),
        ControlKind.QUASAR: (is_object & (spectype == _QUASAR), settings.quasar_fraction),
    }
    is_usable = (fault == "") & is_placed & np.isfinite(z) & ~is_bad
    return choose(fails, kinds, is_usable, rows["TARGETID"], settings.parent)


def find_primary(ra: NDArray, dec: NDArray, snr: NDArray) -> NDArray[np.bool_]:
    """Say which spectrum of each object is the best, shape (n,); of equally good ones the first.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        ICRS, degrees.
    snr : ndarray, shape (n,)
        NaN is the lowest.
    """
    # Slow to import, and of use here only.
    from scipy.spatial import cKDTree

    is_primary = np.ones(len(ra), bool)
    alpha, delta = np.radians(ra), np.radians(dec)
    places = np.column_stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)]
    )
    if not len(places):
        return is_primary
    near = cKDTree(places).query_pairs(_SAME_OBJECT, output_type="ndarray")
    others: dict[int, list[int]] = {}
    for one, two in near.tolist():
        others.setdefault(one, []).append(two)
        others.setdefault(two, []).append(one)
    quality = np.nan_to_num(snr, nan=-np.inf)
    for row in sorted(others, key=lambda row: (-quality[row], row)):
        if is_primary[row]:
            is_primary[others[row]] = False
    return is_primary
