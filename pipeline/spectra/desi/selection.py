"""Which rows of the redshift catalogue may enter which part of a parent sample."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import GOOD_FIBERSTATUS
from catalog_schema.vocabulary import ControlKind, Parent, TargetClass
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.choosing import draw_controls
from pipeline.spectra.desi.placement import find_misplaced
from pipeline.spectra.survey import Choice, Columns

# ZWARN bits of spectra without a spectrum: SKY, UNPLUGGED, BAD_TARGET, NODATA.
_NO_SKY = 1 << 0
_NO_DATA = 1 << 7 | 1 << 8 | 1 << 9
# Bits of DESI_TARGET and SVn_DESI_TARGET, and of SCND_TARGET (desitarget).
_QSO, _ELG, _BGS_ANY = 1 << 2, 1 << 1, 1 << 60
_STANDARD = 1 << 33 | 1 << 34 | 1 << 35
_WISE_VAR_QSO = 1 << 35
_SV_SURVEYS = ("sv1", "sv2", "sv3")


def choose_blocks(
    blocks: Iterable[Columns], settings: TargetSettings
) -> Iterator[tuple[Columns, Choice]]:
    """Say where the rows of each block of the catalogue go; see `choose_rows`."""
    for rows in blocks:
        yield rows, choose_rows(rows, settings)


def choose_rows(rows: Mapping[str, NDArray], settings: TargetSettings) -> Choice:
    """Say where each row goes: core before extended before control.

    Only quasars have an extended parent. No control is of the class that is judged.

    Parameters
    ----------
    rows : mapping
        Columns of the redshift catalogue, shape (n,); a flag column that the source lacks passes.
    settings : TargetSettings
    """
    misplaced = find_misplaced(rows)
    gate = find_gates(rows, settings, misplaced)
    target_class = find_target_classes(rows)
    control = _draw_controls(rows, settings)
    is_placed = ~np.any(list(misplaced.values()), axis=0)
    is_core = gate == ""
    is_extended = ~is_core & is_placed & _may_be_extended(rows, target_class)
    is_extended &= settings.classes == "qso"
    is_control = ~is_core & ~is_extended & is_placed & (control != "")
    parent = np.select(
        [is_core, is_extended, is_control],
        [Parent.CORE.value, Parent.EXTENDED.value, Parent.CONTROL.value],
        default="",
    )
    return Choice(parent, np.where(is_control, control, ""), target_class, gate)


def find_gates(
    rows: Mapping[str, NDArray],
    settings: TargetSettings,
    misplaced: Mapping[str, NDArray[np.bool_]] | None = None,
) -> NDArray[np.str_]:
    """Name the first gate of the core parent that each row fails; empty where it fails none.

    `misplaced` is what `find_misplaced` says of the rows, where that is known.
    """
    redshift, parent = rows["Z"], settings.parent
    fails = {
        "no_redshift": ~np.isfinite(redshift),
        "not_a_target": rows["OBJTYPE"] != "TGT",
        "negative_targetid": rows["TARGETID"] <= 0,
    }
    if parent.in_rest_frame:
        fails |= {
            parent.gate: rows["SPECTYPE"] != parent.spectype,
            "redshift_warning": rows["ZWARN"] != 0,
            "redshift_not_trusted": _read_preference(rows) < settings.min_deltachi2,
        }
    else:
        fails["no_data"] = rows["ZWARN"] & _NO_DATA != 0
    fails |= {
        "bad_fiberstatus": ~_has_good_fibre(rows),
        "not_primary": ~_is_primary(rows),
        "redshift_outside_range": (redshift < settings.z_min) | (redshift > settings.z_max),
        **(find_misplaced(rows) if misplaced is None else misplaced),
    }
    return np.select(list(fails.values()), list(fails), default="")


def _read_preference(rows: Mapping[str, NDArray]) -> NDArray:
    """Return by how much χ² the fitter prefers the redshift; infinite where it does not say."""
    return rows.get("DELTACHI2", np.full(len(rows["Z"]), np.inf))


def find_target_classes(rows: Mapping[str, NDArray]) -> NDArray[np.str_]:
    """Name the first target class that each row was selected for, shape (n,); empty where none.

    The surveys sv1 to sv3 have target bits of their own. Their secondary programs are numbered
    otherwise, so that WISE-variable targets are known of the other surveys only.
    """
    bits = _read_target_bits(rows)
    nothing = np.zeros(len(bits), np.int64)
    is_sv = np.isin(rows["SURVEY"], _SV_SURVEYS)
    secondary = np.where(is_sv, 0, rows.get("SCND_TARGET", nothing))
    classes = {
        TargetClass.QSO: bits & _QSO,
        TargetClass.ELG: bits & _ELG,
        TargetClass.WISE_VARIABLE: secondary & _WISE_VAR_QSO,
        TargetClass.BGS: bits & _BGS_ANY,
    }
    found = [selected != 0 for selected in classes.values()]
    return np.select(found, [name.value for name in classes], default="")


def _read_target_bits(rows: Mapping[str, NDArray]) -> NDArray[np.int64]:
    """Return the DESI_TARGET of each row's own survey, shape (n,)."""
    nothing = np.zeros(len(rows["TARGETID"]), np.int64)
    bits = rows.get("DESI_TARGET", nothing)
    for survey in _SV_SURVEYS:
        own = rows.get(f"{survey.upper()}_DESI_TARGET", nothing)
        bits = np.where(rows["SURVEY"] == survey, own, bits)
    return bits


def _may_be_extended(
    rows: Mapping[str, NDArray], target_class: NDArray[np.str_]
) -> NDArray[np.bool_]:
    # The finders decide alone on these; on the others only with the template fitter.
    is_free = np.isin(target_class, (TargetClass.QSO, TargetClass.WISE_VARIABLE))
    is_bound = np.isin(target_class, (TargetClass.ELG, TargetClass.BGS))
    is_candidate = is_free | (is_bound & (rows["SPECTYPE"] == "QSO"))
    has_no_sky_warning = rows["ZWARN"] & _NO_SKY == 0
    return is_candidate & has_no_sky_warning & (rows["OBJTYPE"] == "TGT") & _is_usable(rows)


def _draw_controls(rows: Mapping[str, NDArray], settings: TargetSettings) -> NDArray[np.str_]:
    is_target = rows["OBJTYPE"] == "TGT"
    is_clear = is_target & (rows["ZWARN"] == 0)
    kinds = {
        ControlKind.SKY: (rows["OBJTYPE"] == "SKY", settings.sky_fraction),
        ControlKind.STANDARD: (
            is_target & (_read_target_bits(rows) & _STANDARD != 0),
            settings.standard_fraction,
        ),
        ControlKind.GALAXY: (is_clear & (rows["SPECTYPE"] == "GALAXY"), settings.galaxy_fraction),
        ControlKind.STAR: (is_clear & (rows["SPECTYPE"] == "STAR"), settings.star_fraction),
        ControlKind.QUASAR: (is_clear & (rows["SPECTYPE"] == "QSO"), settings.quasar_fraction),
    }
    return draw_controls(kinds, _is_usable(rows), rows["TARGETID"], settings.parent)


def _is_usable(rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    has_data = np.isfinite(rows["Z"]) & (rows["ZWARN"] & _NO_DATA == 0)
    return has_data & (rows["TARGETID"] > 0) & _has_good_fibre(rows) & _is_primary(rows)


def _has_good_fibre(rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    status = rows.get("COADD_FIBERSTATUS", np.zeros(len(rows["TARGETID"]), np.int64))
    return np.isin(status, GOOD_FIBERSTATUS)


def _is_primary(rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    return rows.get("ZCAT_PRIMARY", np.ones(len(rows["TARGETID"]), bool)).astype(bool)
