"""The spectra of a shard's targets, from a coadd file that is held against its own tables."""

import numpy as np

from pipeline.fits.tables import find_rows
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import open_coadd, read_tables
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import find_strangers, get_positions, read_fibres
from pipeline.spectra.mismatch import find_elsewhere
from pipeline.spectra.science.exposures import find_main_places
from pipeline.spectra.survey import Reading, Wanted
from pipeline.transport.sources import Source


def read_shard(
    source: Source, wanted: Wanted, ivar_floor: float, reading: AcquireSettings
) -> Reading:
    """Read the spectra of some targets and join their arms; for the gates see `extract`.

    Parameters
    ----------
    source : Source
        Its counts go into the answer.
    wanted : Wanted
    ivar_floor : float
        A pixel of a smaller inverse variance is bad.
    reading : AcquireSettings

    Raises
    ------
    DataError
        If the file is missing, changed or damaged, or most of its spectra are not to be believed.
    """
    coadd = open_coadd(source.file(wanted.file_name), wanted.index, wanted.identity)
    listed, exposures = read_tables(coadd)
    here = get_positions(read_fibres(coadd))
    rows, is_there = find_rows(listed, wanted.targetid)
    n_repeated = np.count_nonzero(np.isin(listed, wanted.targetid)) - len(rows)
    is_elsewhere = find_elsewhere(
        f"the redshift catalogue than in the FIBERMAP of {coadd.file}",
        (here[0][rows], here[1][rows]),
        (wanted.ra[is_there], wanted.dec[is_there]),
    )
    rows, found = rows[~is_elsewhere], wanted.targetid[is_there][~is_elsewhere]
    spectra, dropped, notes = join_file(coadd, rows, found, ivar_floor, reading)
    is_stranger = find_strangers(coadd, find_rows(listed, spectra.targetid)[0], spectra)
    spectra = spectra.keep(~is_stranger)
    dropped |= {
        "not_in_coadd": int((~is_there).sum()),
        "position_mismatch": int(is_elsewhere.sum()),
        "spectrum_mismatch": int(is_stranger.sum()),
    }
    if n_repeated:
        notes += (f"{coadd.file.name}: {n_repeated} more rows of its targets; the first is taken",)
    places = find_main_places(exposures, spectra.targetid)
    return Reading(spectra, dropped, (*coadd.doubts, *notes), places, source.counts)
