"""Which rows of SDSS's catalogue may enter a parent sample."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.vocabulary import ControlKind
from pipeline.science.sky import are_positions
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.choosing import choose, list_faults
from pipeline.spectra.survey import Choice, Columns

QUASAR, GALAXY, STAR = "QSO", "GALAXY", "STAR"
# Bits of ZWARNING. MANY_OUTLIERS "only rarely signifies a real error": it is set where a spectrum
# of high signal-to-noise is unlike its template, as anomalies are (sdss3.org/dr10, ZWARNING).
_SKY, _MANY_OUTLIERS = 1 << 0, 1 << 4
# UNPLUGGED, BAD_TARGET, NODATA: there is no spectrum.
_NO_DATA = 1 << 7 | 1 << 8 | 1 << 9
_STANDARDS = ("SPECTROPHOTO_STD", "REDDEN_STD")


def choose_rows(rows: Columns, settings: TargetSettings, fault: NDArray[np.str_]) -> Choice:
    """Say where each row goes: core, or drawn as a control, or the first gate that it fails.

    Parameters
    ----------
    rows : mapping
        TARGETID, TARGET_RA, TARGET_DEC, Z, ZWARN, SPECTYPE, and where they are known SDSS's own
        OBJTYPE as `fibre` and SPECPRIMARY as `is_primary`; shape (n,).
    settings : TargetSettings
    fault : ndarray of str, shape (n,)
        Gate of the rows whose spectrum is not there or cannot be read; else empty.
    """
    n = len(rows["TARGETID"])
    z, warning, spectype = rows["Z"], rows["ZWARN"], rows["SPECTYPE"]
    fibre = rows.get("fibre", np.full(n, ""))
    is_sky = (fibre == "SKY") | (warning & _SKY != 0)
    is_primary = rows.get("is_primary", np.ones(n, bool))
    is_placed = are_positions(rows["TARGET_RA"], rows["TARGET_DEC"])
    fails = {**list_faults(fault), "no_position": ~is_placed, "not_a_target": is_sky}
    if settings.parent.in_rest_frame:
        fails["unknown_class"] = ~np.isin(spectype, (QUASAR, GALAXY, STAR))
        fails[settings.parent.gate] = spectype != settings.parent.spectype
    fails["no_redshift"] = ~np.isfinite(z)
    if settings.parent.in_rest_frame:
        fails["redshift_warning"] = warning & ~_MANY_OUTLIERS != 0
    else:
        fails["no_data"] = warning & _NO_DATA != 0
    fails |= {
        "not_primary": ~is_primary,
        "redshift_outside_range": (z < settings.z_min) | (z > settings.z_max),
    }
    is_clear = ~is_sky & (warning & ~_MANY_OUTLIERS == 0)
    kinds = {
        ControlKind.SKY: (is_sky, settings.sky_fraction),
        ControlKind.STANDARD: (np.isin(fibre, _STANDARDS), settings.standard_fraction),
        ControlKind.GALAXY: (is_clear & (spectype == GALAXY), settings.galaxy_fraction),
        ControlKind.STAR: (is_clear & (spectype == STAR), settings.star_fraction),
        ControlKind.QUASAR: (is_clear & (spectype == QUASAR), settings.quasar_fraction),
    }
    is_usable = (fault == "") & is_placed & np.isfinite(z) & (warning & _NO_DATA == 0)
    is_usable &= is_primary | is_sky
    return choose(fails, kinds, is_usable, rows["TARGETID"], settings.parent)
