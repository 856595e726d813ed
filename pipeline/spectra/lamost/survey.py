"""LAMOST's low-resolution spectra as a survey, in any folders below the source."""

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
from pipeline.spectra.lamost.catalogue import check_identity, read_catalogue
from pipeline.spectra.lamost.names import Name, parse_name, sort_files
from pipeline.spectra.lamost.selection import choose_rows
from pipeline.spectra.lamost.spec_file import open_spec
from pipeline.spectra.listed_files import ListedFiles
from pipeline.spectra.science.rebin import lay_out
from pipeline.spectra.science.restframe import normalise
from pipeline.spectra.single_files import FileSpectrum, SingleFiles, find_night, tell_others
from pipeline.spectra.survey import Choice, Columns
from pipeline.transport.sources import Source, SourceFile

# Spectra begin at log10 Å = 3.5682, 3700 Å, with pixels of 1e-4, and end at 9100 Å.
_GRID = Grid(3.5660, 1e-4, 3950, is_log=True)
# The blue arm ends at 5900 Å, the red one begins at 5700 Å (Cui et al. 2012).
_BLUE_END, _RED_START = 2049, 1899
_FIBRES = 250


@dataclass(frozen=True)
class LamostSurvey(SingleFiles):
    """Spectra ``spec-LMJD-PLANID_spSPID-FIBERID.fits``; see `pipeline.spectra.survey.Survey`.

    A shard is what a plan observed in a night: SURVEY is lamost, PROGRAM the plan, HEALPIX the
    local modified Julian day. TARGETID is OBSID. Fluxes are relative: each spectrum is in units of
    its own median (see `normalise`).
    """

    sampling: ClassVar[Sampling] = Sampling(
        _GRID, (Arm("b", 0, _BLUE_END), Arm("r", _RED_START, _GRID.size))
    )
    file_form: ClassVar[str] = "spec-LMJD-PLANID_spSPID-FIBERID.fits"

    @staticmethod
    def recognise(source: str) -> bool:
        """Take a folder that holds a file of LAMOST's, or a folder of a plan that does."""
        if is_remote(source) or not Path(source).is_dir():
            return False
        nearest = (path for form in ("", "*/") for path in Path(source).glob(f"{form}spec-*.fit*"))
        return any(parse_name(path.name) for path in nearest)

    def sort_files(self, paths: Iterable[str]) -> ListedFiles[Name]:
        """See `SingleFiles.sort_files`."""
        return sort_files(self.location, paths)

    def catalogue(
        self, settings: TargetSettings, unreadable: dict[Shard, str], notes: list[str]
    ) -> Iterator[tuple[Columns, Choice]]:
        """See `Survey.catalogue`; in one piece, for the best spectrum of each object is sought."""
        notes += tell_others(self.source, self.files.others)
        rows, fault = read_catalogue(self.source, self.files, notes)
        yield rows, choose_rows(rows, settings, fault)

    def list_shard(self, shard: Shard) -> list[str]:
        """See `SingleFiles.list_shard`."""
        names = self.files.by_shard.get((shard.program, shard.healpix), [])
        return [self.files.paths[name] for name in names]

    def find_paths(
        self, source: Source, shard: Shard, targetid: NDArray[np.int64]
    ) -> Mapping[int, str]:
        """See `SingleFiles.find_paths`; OBSID ends in the digits of SPID and FIBERID.

        Where it does not, the headers of the plan's other files are asked.
        """
        names = self.files.by_shard.get((shard.program, shard.healpix), [])
        by_fibre = {1000 * name.spectrograph + name.fibre: name for name in names}
        found: dict[int, Name] = {}
        for obsid in targetid.tolist():
            name = by_fibre.get(obsid % 10**5)
            if name and self._read_obsid(source, name) in (obsid, None):
                found[obsid] = name
        lacking = set(targetid.tolist()) - set(found)
        taken = set(found.values())
        for name in names if lacking else []:
            other = None if name in taken else self._read_obsid(source, name)
            if other is not None and other in lacking:
                found[other] = name
        return {obsid: self.files.paths[name] for obsid, name in found.items()}

    def _read_obsid(self, source: Source, name: Name) -> int | None:
        """Return the OBSID of a file; None where it cannot be read, which is told elsewhere."""
        try:
            return check_identity(open_spec(source.file(self.files.paths[name])))
        except DataError:
            return None

    def read_file(self, file: SourceFile) -> FileSpectrum:
        """See `SingleFiles.read_file`."""
        spec, name = open_spec(file), parse_name(file.name)
        spectrum, header = spec.read_spectrum(), spec.header
        laid = lay_out(spectrum.wave, spectrum.flux, spectrum.ivar, _GRID)
        flux, ivar = laid.flux.astype(np.float32), laid.ivar.astype(np.float32)
        scale = float(normalise(flux[None], ivar[None])[0])
        z = header.number("Z", np.nan)
        fibre = (name.spectrograph - 1) * _FIBRES + name.fibre if name else -1
        remark = "have wavelengths in air; converted" if spectrum.was_in_air else ""
        if laid.is_resampled and not remark:
            remark = "have other pixels than LAMOST's; resampled"
        return FileSpectrum(
            check_identity(spec),
            header.number("RA", np.nan),
            header.number("DEC", np.nan),
            z if z > -1 else np.nan,
            0,
            laid.flux / scale,
            laid.ivar * scale**2,
            (find_night(name.lmjd), name.spectrograph - 1, fibre) if name else (-1, -1, -1),
            laid.n_beyond,
            remark,
        )
