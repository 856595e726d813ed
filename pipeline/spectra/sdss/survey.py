"""SDSS, BOSS and eBOSS as a survey: spec files, whole or lite, in any folders below the source."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from catalog_schema.grids import Arm, Grid, Sampling
from pipeline.errors import DataError
from pipeline.lake.layout import Shard, is_remote
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.listed_files import ListedFiles
from pipeline.spectra.sdss.catalogue import FIRST_BOSS_PLATE, IDENTITY, read_catalogue
from pipeline.spectra.sdss.names import make_targetid, parse_name, sort_files, split_targetid
from pipeline.spectra.sdss.selection import choose_rows
from pipeline.spectra.sdss.spec_file import LOG10_STEP, SpecFile, open_spec
from pipeline.spectra.single_files import FileSpectrum, SingleFiles, find_night, tell_others
from pipeline.spectra.survey import Choice, Columns
from pipeline.transport.sources import Source, SourceFile

# The reduction puts pixels at 3.5 + n 1e-4 (idlspec2d, spcoadd); spectra of BOSS begin at 3.55 and
# end at 4.02.
_GRID = Grid(3.5450, LOG10_STEP, 4801, is_log=True)
# The dichroic divides the light at 6050 Å (Smee et al. 2013); the arms share what is around it.
_BLUE_END, _RED_START = 2474, 2259
_HEADER_IDENTITY = ("PLATEID", "MJD", "FIBERID")
# Of a pixel; loglam is single precision.
_TOLERANCE = 0.05
# Fibres of one of the two spectrographs, old and new.
_OLD_FIBRES, _NEW_FIBRES = 320, 500


@dataclass(frozen=True)
class SdssSurvey(SingleFiles):
    """Spectra ``spec-PLATE-MJD-FIBER.fits``; see `pipeline.spectra.survey.Survey`.

    A shard is a plate: SURVEY is sdss, PROGRAM sdss, boss or eboss, HEALPIX the number of the
    plate. TARGETID has the digits of the file's name (`make_targetid`).
    """

    sampling: ClassVar[Sampling] = Sampling(
        _GRID, (Arm("b", 0, _BLUE_END), Arm("r", _RED_START, _GRID.size))
    )
    file_form: ClassVar[str] = "spec-PLATE-MJD-FIBER.fits"

    @staticmethod
    def recognise(source: str) -> bool:
        """Take a folder that holds a spec file, or a folder of a plate that does."""
        if is_remote(source) or not Path(source).is_dir():
            return False
        nearest = (path for form in ("", "*/") for path in Path(source).glob(f"{form}spec-*.fits*"))
        return any(parse_name(path.name) for path in nearest)

    def sort_files(self, paths: Iterable[str]) -> ListedFiles[int]:
        """See `SingleFiles.sort_files`."""
        return sort_files(self.location, paths)

    def catalogue(
        self, settings: TargetSettings, unreadable: dict[Shard, str], notes: list[str]
    ) -> Iterator[tuple[Columns, Choice]]:
        """See `Survey.catalogue`."""
        notes += tell_others(self.source, self.files.others)
        n_unknown = 0
        for rows, fault in read_catalogue(self.source, self.files, notes):
            ebv = rows.get("EBV", np.full(len(fault), np.nan))
            n_unknown += int((np.isnan(ebv) & (fault == "")).sum())
            yield rows, choose_rows(rows, settings, fault)
        if n_unknown:
            notes.append(f"{n_unknown} rows have no EXTINCTION: their spectra are not dereddened")

    def list_shard(self, shard: Shard) -> list[str]:
        """See `SingleFiles.list_shard`."""
        files = self.files
        return [files.paths[targetid] for targetid in files.by_shard.get(shard.healpix, [])]

    def find_paths(
        self, source: Source, shard: Shard, targetid: NDArray[np.int64]
    ) -> Mapping[int, str]:
        """See `SingleFiles.find_paths`; the names tell."""
        paths = self.files.paths
        return {name: paths[name] for name in targetid.tolist() if name in paths}

    def read_file(self, file: SourceFile) -> FileSpectrum:
        """See `SingleFiles.read_file`."""
        spec = open_spec(file)
        spectrum = spec.read_spectrum()
        place = (spectrum.log10_first - _GRID.start) / _GRID.step
        if abs(place - round(place)) > _TOLERANCE:
            raise DataError(f"{file}: loglam is {place % 1:.2f} of a pixel off SDSS's grid")
        targetid = _identify(spec)
        plate, mjd, fibre = split_targetid(targetid)
        half = _OLD_FIBRES if plate < FIRST_BOSS_PLATE else _NEW_FIBRES
        ra, dec, z = _describe(spec)
        return FileSpectrum(
            targetid,
            ra,
            dec,
            z,
            round(place),
            spectrum.flux,
            spectrum.ivar,
            (find_night(mjd), int(fibre > half), fibre),
        )


def _identify(spec: SpecFile) -> int:
    """Return the TARGETID that a file says it is: where it says several, one that is not its name.

    Raises
    ------
    DataError
        If its keywords are no numbers.
    """
    [own] = sort_files("", [spec.file.name]).paths
    said = []
    header = spec.header
    if all(header.has(key) for key in _HEADER_IDENTITY):
        said.append([header.integer(key) for key in _HEADER_IDENTITY])
    if spec.has_summary:
        row = spec.read_summary((), IDENTITY)
        if set(IDENTITY) <= set(row):
            said.append([int(row[name][0]) for name in IDENTITY])
    ids = [int(make_targetid(*words)) for words in said]
    return next((targetid for targetid in ids if targetid != own), own)


def _describe(spec: SpecFile) -> tuple[float, float, float]:
    """Return position and redshift that a file tells; NaN where it does not."""
    row = spec.read_summary((), ("PLUG_RA", "PLUG_DEC", "Z")) if spec.has_summary else {}
    told = {name: float(values[0]) for name, values in row.items()}
    header = spec.header
    for key in ("PLUG_RA", "PLUG_DEC"):
        told[key] = header.number(key, told.get(key, np.nan))
    return told["PLUG_RA"], told["PLUG_DEC"], told.get("Z", np.nan)
