"""Spectra of a coadd file, their arms joined."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from pipeline.config import Config
from pipeline.errors import DataError, MissingFileError
from pipeline.lake.layout import Lake, Shard
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import CoaddFile, open_coadd, read_arms, read_targetids
from pipeline.spectra.desi.tree import recognise_tree
from pipeline.spectra.joining import join_spectra
from pipeline.spectra.science.coadd import Spectra
from pipeline.transport.sources import open_source


def join_file(
    coadd: CoaddFile,
    rows: NDArray[np.intp],
    targetids: NDArray[np.int64],
    ivar_floor: float,
    reading: AcquireSettings,
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Read rows of a coadd file, join their arms, drop dead and implausible spectra.

    Returns
    -------
    spectra : Spectra
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str

    Raises
    ------
    DataError
        If the file cannot be read, or most of its spectra are implausible.
    """
    arms = read_arms(coadd, rows, reading)
    spectra, dropped, notes = join_spectra(coadd.file.name, targetids, arms, ivar_floor, SAMPLING)
    return spectra, dropped, coadd.notes + notes


def fetch_object(source: str, lake: Lake, shard: Shard, targetid: int, config: Config) -> Spectra:
    """Fetch one object's spectrum again.

    Where the lake keeps the index of the shard's file, as after `acquire`, this takes a request
    for the file's identity, one for its list of targets, and at most nine for the spectra.

    Parameters
    ----------
    source : str
        Location of the tree: folder, ``s3://`` or ``http(s)://`` address.
    lake : Lake
    shard : Shard
    targetid : int
    config : Config
        Reads ``acquire`` and ``extract``.

    Returns
    -------
    Spectra
        One row; none if no pixel of it is good.

    Raises
    ------
    DataError
        If the file or the object is not there.
    """
    tree = recognise_tree(open_source(source, config.acquire), config.run.survey)
    file = tree.file("coadd", shard)
    try:
        coadd = open_coadd(file, lake.index(shard))
    except MissingFileError:
        coadd = open_coadd(tree.find_file("coadd", shard))
    rows = np.flatnonzero(read_targetids(coadd) == targetid)[:1]
    if not len(rows):
        raise DataError(f"{file}: no target {targetid} in it; check SURVEY, PROGRAM and HEALPIX")
    floor = config.extract.ivar_floor
    return join_file(coadd, rows, np.array([targetid]), floor, config.acquire)[0]
