"""A survey in a folder of its own: a table of redshifts, a file a field, one arm on a log grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from catalog_schema.grids import Arm, Grid, Sampling
from catalog_schema.vocabulary import Parent
from pipeline.config import Config
from pipeline.errors import DataError, UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, digest
from pipeline.settings.spectra import ExtractSettings, TargetSettings
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.survey import (
    CheckedFile,
    Choice,
    Columns,
    Findings,
    Reading,
    Wanted,
    keep_redshifts,
)


@dataclass(frozen=True)
class ToySurvey:
    """``redshifts.csv`` (field, number, ra, dec, z), and number, flux and ivar in ``FIELD.npz``."""

    location: str

    sampling: ClassVar[Sampling] = Sampling(
        Grid(3.58, 1e-4, 4600, is_log=True), (Arm("r", 0, 4600),)
    )
    has_catalogue: ClassVar[bool] = True

    @staticmethod
    def recognise(source: str) -> bool:
        return Path(source, "redshifts.csv").is_file()

    @classmethod
    def open(cls, store: Store, config: Config) -> Self:
        if not cls.recognise(config.run.source):
            raise UserError(f"source {config.run.source}: no redshifts.csv in it")
        return cls(config.run.source)

    def identify_catalogue(self) -> list[str]:
        return [_identify(Path(self.location, "redshifts.csv"))]

    def catalogue(
        self, settings: TargetSettings, unreadable: dict[Shard, str], notes: list[str]
    ) -> Iterator[tuple[Columns, Choice]]:
        table = np.genfromtxt(
            Path(self.location, "redshifts.csv"), delimiter=",", names=True, dtype=None
        )
        n, z = len(table), table["z"]
        is_inside = (z >= settings.z_min) & (z <= settings.z_max)
        nothing = np.full(n, "")
        parent = np.where(is_inside, Parent.CORE.value, "")
        gate = np.where(is_inside, "", "redshift_outside_range")
        rows = {
            "SURVEY": np.full(n, "toy"),
            "PROGRAM": np.full(n, "field"),
            "HEALPIX": table["field"],
            "TARGETID": table["number"],
            "TARGET_RA": table["ra"],
            "TARGET_DEC": table["dec"],
            "Z": z,
        }
        yield rows, Choice(parent, nothing, nothing, gate)

    def identify_findings(self, shard: Shard) -> tuple[str, ...]:
        return ()

    def find(self, shard: Shard, candidates: pa.Table, settings: TargetSettings) -> Findings:
        return keep_redshifts(candidates)

    def identify(self, shard: Shard) -> str:
        return _identify(self._file(shard))

    def inspect(self, shard: Shard, index: Path) -> CheckedFile:
        file, path = self._load(shard), self._file(shard)
        n_rows, n_pixels = file["flux"].shape
        if n_pixels != self.sampling.grid.size:
            raise DataError(f"{path}: {n_pixels} pixels, not {self.sampling.grid.size}")
        return CheckedFile(path.name, path.stat().st_size, n_rows, _identify(path))

    def read(self, shard: Shard, wanted: Wanted, settings: ExtractSettings) -> Reading:
        if self.identify(shard) != wanted.identity:
            raise DataError(f"{self._file(shard)}: changed since it was listed; run again")
        file = self._load(shard)
        rows = np.flatnonzero(np.isin(file["number"], wanted.targetid))
        flux, ivar = (file[name][rows].astype(np.float32) for name in ("flux", "ivar"))
        mask = np.zeros(flux.shape, np.int32)
        spectra = Spectra(file["number"][rows], flux, np.where(ivar > 0, ivar, 0), mask)
        return Reading(spectra, {"not_in_coadd": len(wanted.targetid) - len(rows)})

    def _file(self, shard: Shard) -> Path:
        return Path(self.location, f"{shard.healpix}.npz")

    def _load(self, shard: Shard) -> dict[str, np.ndarray]:
        path = self._file(shard)
        try:
            with np.load(path) as file:
                return {name: file[name] for name in ("number", "flux", "ivar")}
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: {error}") from None


def _identify(path: Path) -> str:
    """Return what changes with a file, or when it comes and goes."""
    return digest(path.stat().st_mtime_ns) if path.exists() else "absent"
