"""Surveys that publish a file for each spectrum: what they share of the protocol."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from catalog_schema.vocabulary import Parent
from pipeline.config import Config
from pipeline.errors import DataError, MissingFileError, UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, digest
from pipeline.settings.spectra import ExtractSettings, TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.joining import join_spectra
from pipeline.spectra.listed_files import ListedFiles
from pipeline.spectra.mismatch import find_elsewhere, refuse_most
from pipeline.spectra.science.coadd import ArmSpectra
from pipeline.spectra.survey import CheckedFile, Findings, Reading, Wanted, keep_redshifts
from pipeline.transport.sources import Source, SourceFile, booking, open_source

# Of redshifts of one fit by two tables, in units of 1 + z: what rounding leaves.
_SAME_REDSHIFT = 1e-4
# Faults that are told file by file; of more, how many.
_TOLD = 5


@dataclass(frozen=True)
class FileSpectrum:
    """The spectrum of a file, and what the file says of it.

    Attributes
    ----------
    targetid : int
    ra, dec : float
        Degrees; NaN where the file does not say.
    z : float
        The redshift that the survey fitted; NaN likewise.
    first : int
        Pixel of the survey's grid at which the spectrum begins; negative before the grid.
    flux, ivar : ndarray, shape (p,)
        ivar is 0 where a pixel is bad.
    place : tuple of int
        Night (YYYYMMDD), spectrograph and fibre; -1 is not known.
    n_beyond : int
        Good pixels beyond the grid that are not among these any more.
    remark : str
        What was done to it, told with the number of spectra to which it was.
    """

    targetid: int
    ra: float
    dec: float
    z: float
    first: int
    flux: NDArray[np.float64]
    ivar: NDArray[np.float64]
    place: tuple[int, int, int]
    n_beyond: int = 0
    remark: str = ""


class FaultList:
    """Faults of single files, told one by one as long as they are few."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, fault: object) -> None:
        """Keep the fault of a file, which it names."""
        self._faults.append(str(fault))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told of them."""
        n_more = len(self._faults) - _TOLD
        more = (f"{n_more} more files likewise",) if n_more > 0 else ()
        return (*(f"{fault}; left out" for fault in self._faults[:_TOLD]), *more)


@dataclass(frozen=True)
class SingleFiles(ABC):
    """A survey below a folder or an address that can be listed; see `survey.Survey`.

    Attributes
    ----------
    location : str
    acquire : AcquireSettings
    """

    location: str
    acquire: AcquireSettings

    sampling: ClassVar[Sampling]
    has_catalogue: ClassVar[bool] = True
    # How its files are called, for messages.
    file_form: ClassVar[str]

    @classmethod
    def open(cls, store: Store, config: Config) -> Self:
        """Take the files below ``run.source``.

        Raises
        ------
        UserError
            If none is there.
        """
        survey = cls(open_source(config.run.source, config.acquire).location, config.acquire)
        if not survey.files.paths:
            raise UserError(
                f"source {survey.location}: no file {cls.file_form} below it; give the folder "
                "that holds them"
            )
        return survey

    @property
    def source(self) -> Source:
        """The source, on connections that are kept."""
        return open_source(self.location, self.acquire)

    @abstractmethod
    def sort_files(self, paths: Iterable[str]) -> ListedFiles[Any]:
        """Tell spectra and the catalogue among the paths of the source.

        Raises
        ------
        UserError
            If there are several catalogues.
        """

    @cached_property
    def files(self) -> ListedFiles[Any]:
        """Its files, listed once."""
        try:
            return self.sort_files(self.source.list(""))
        except DataError as error:
            raise UserError(str(error)) from None

    @property
    def has_summary(self) -> bool:
        """Whether the catalogue is a table of its own, and not what each file says of itself."""
        return bool(self.files.table)

    def identify_catalogue(self) -> list[str]:
        """See `Survey.identify_catalogue`."""
        paths = sorted(self.files.paths.values())
        names = [*paths, *map(str, self.files.repeats)]
        read = [self.files.table] if self.files.table else paths
        try:
            return [*names, *(self.source.stat(path).identity for path in read)]
        except DataError as error:
            raise UserError(str(error)) from None

    @abstractmethod
    def list_shard(self, shard: Shard) -> list[str]:
        """Return the paths of a shard's files, in order."""

    @abstractmethod
    def find_paths(
        self, source: Source, shard: Shard, targetid: NDArray[np.int64]
    ) -> Mapping[int, str]:
        """Return the path of each target's file, as far as there is one."""

    @abstractmethod
    def read_file(self, file: SourceFile) -> FileSpectrum:
        """Read a spectrum; DataError if it is damaged, or none of the survey's."""

    def identify_findings(self, shard: Shard) -> tuple[str, ...]:
        """See `Survey.identify_findings`; the files speak where the catalogue is not theirs."""
        return (self.identify(shard),) if self.has_summary else ()

    def find(self, shard: Shard, candidates: pa.Table, settings: TargetSettings) -> Findings:
        """See `Survey.find`: which files give another redshift than the catalogue."""
        found = keep_redshifts(candidates)
        if not self.has_summary:
            return found
        targetid, z = candidates["TARGETID"].to_numpy(), candidates["Z"].to_numpy()
        own = np.full(len(z), np.nan)
        with booking(self.source) as source:
            paths = self.find_paths(source, shard, targetid)
            for row, path in enumerate(map(paths.get, targetid.tolist())):
                # What cannot be read is told where its spectrum is.
                with suppress(DataError):
                    own[row] = self.read_file(source.file(path)).z if path else np.nan
        # The redshift of a control is a lent one.
        is_own = candidates["parent"].to_numpy().astype(str) != Parent.CONTROL.value
        is_asked = is_own & np.isfinite(own)
        is_other = is_asked & (np.abs(z - own) > _SAME_REDSHIFT * (1 + np.abs(z)))
        refuse_most(
            is_other,
            is_asked,
            f"spectra of {shard} have another redshift in their files than in the catalogue: rows "
            "of the catalogue are shifted or permuted, or it is of another reduction",
        )
        return Findings(
            found.z,
            found.zerr,
            found.z_source,
            found.qso_maskbits,
            found.is_confirmed,
            is_other,
            counts=source.counts,
        )

    def identify(self, shard: Shard) -> str:
        """See `Survey.identify`: names, sizes and dates of all files."""
        stats = []
        for path in self.list_shard(shard):
            with suppress(MissingFileError):
                stats.append((path, self.source.stat(path).identity))
        return digest(stats) if stats else "absent"

    def inspect(self, shard: Shard, index: Path) -> CheckedFile:
        """See `Survey.inspect`; each file is looked into when its spectrum is read."""
        with booking(self.source) as source:
            paths = self.list_shard(shard)
            if not paths:
                raise MissingFileError(f"{self.location}: no file of {shard}; fetch its spectra")
            n_bytes = sum(source.stat(path).size for path in paths)
        name = f"{paths[0]} and {len(paths) - 1} more" if paths[1:] else paths[0]
        return CheckedFile(name, n_bytes, len(paths), self.identify(shard), source.counts)

    def read(self, shard: Shard, wanted: Wanted, settings: ExtractSettings) -> Reading:
        """See `Survey.read`.

        Gates beside those of `join_spectra`: `not_in_coadd` (there is no file),
        `unreadable_spectrum`, `spectrum_mismatch` (the file is of another target than its name)
        and `position_mismatch`.
        """
        with booking(self.source) as source:
            if self.identify(shard) != wanted.identity:
                raise DataError(
                    f"{self.location}: files of {shard} have changed since they were listed; "
                    "run again"
                )
            paths = self.find_paths(source, shard, wanted.targetid)
            found, rows, faults, n_strange = self._read_files(source, paths, wanted)
        is_elsewhere = find_elsewhere(
            f"the catalogue than in the files of {shard}",
            (np.array([f.ra for f in found]), np.array([f.dec for f in found])),
            (wanted.ra[rows], wanted.dec[rows]),
        )
        found = [f for f, is_off in zip(found, is_elsewhere, strict=True) if not is_off]
        flux, ivar, notes = _lay_out(str(shard), found, self.sampling)
        whole = ArmSpectra(0, flux, ivar, np.zeros(flux.shape, np.int32))
        targetid = np.array([f.targetid for f in found], np.int64)
        spectra, dropped, doubts = join_spectra(
            str(shard), targetid, [whole], settings.ivar_floor, self.sampling
        )
        is_kept = np.isin(targetid, spectra.targetid)
        places = np.array([f.place for f in found], np.int64).reshape(-1, 3)[is_kept].T
        dropped |= {
            "not_in_coadd": len(wanted.targetid) - len(paths),
            "unreadable_spectrum": len(faults) - n_strange,
            "spectrum_mismatch": n_strange,
            "position_mismatch": int(is_elsewhere.sum()),
        }
        return Reading(spectra, dropped, (*faults.notes, *notes, *doubts), places, source.counts)

    def _read_files(
        self, source: Source, paths: Mapping[int, str], wanted: Wanted
    ) -> tuple[list[FileSpectrum], list[int], FaultList, int]:
        """Return spectra, their rows among the wanted, faults, and how many are of others."""
        found, rows, faults, n_strange = [], [], FaultList(), 0
        for row, targetid in enumerate(wanted.targetid.tolist()):
            if targetid not in paths:
                continue
            file = source.file(paths[targetid])
            try:
                spectrum = self.read_file(file)
            except DataError as error:
                faults.add(error)
                continue
            if spectrum.targetid != targetid:
                n_strange += 1
                faults.add(f"{file}: says that it is {spectrum.targetid}, not {targetid}")
                continue
            found.append(spectrum)
            rows.append(row)
        return found, rows, faults, n_strange


def _lay_out(
    name: str, found: list[FileSpectrum], sampling: Sampling
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[str, ...]]:
    """Put spectra on the grid, shapes (n, size); with what is to be told of them."""
    size = sampling.grid.size
    flux, ivar = np.zeros((2, len(found), size), np.float32)
    n_cut = np.zeros(len(found), np.int64)
    for row, spectrum in enumerate(found):
        low, high = max(-spectrum.first, 0), min(size - spectrum.first, len(spectrum.flux))
        taken = slice(low, max(high, low))
        onto = slice(low + spectrum.first, max(high, low) + spectrum.first)
        flux[row, onto], ivar[row, onto] = spectrum.flux[taken], spectrum.ivar[taken]
        n_cut[row] = np.count_nonzero(spectrum.ivar) - np.count_nonzero(spectrum.ivar[taken])
        n_cut[row] += spectrum.n_beyond
    remarks = Counter(spectrum.remark for spectrum in found if spectrum.remark)
    notes = [f"{name}: {n} of {len(found)} spectra {remark}" for remark, n in remarks.items()]
    if n_cut.any():
        what = f"{name}: {n_cut.sum()} good pixels of {np.count_nonzero(n_cut)} spectra"
        notes.append(f"{what} lie beyond the grid, {sampling.grid}; left out")
    return flux, ivar, tuple(notes)


def tell_others(source: Source, names: Sequence[str]) -> list[str]:
    """Return a note on the files of a source that are not read; folders are none."""
    files = names if source.is_remote else [n for n in names if Path(source.location, n).is_file()]
    if not files:
        return []
    return [f"{len(files)} other files are not read, {files[0]} among them"]


def find_night(mjd: int) -> int:
    """Return the date of a modified Julian day as YYYYMMDD."""
    day = np.datetime64("1858-11-17") + np.timedelta64(mjd, "D")
    return int(str(day).replace("-", ""))
