"""A survey in a folder of its own: a table of redshifts, a file a field, one arm on a log grid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.grids import Arm, Grid, Sampling
from catalog_schema.vocabulary import Parent
from pipeline.errors import DataError
from pipeline.lake.layout import Shard
from pipeline.lake.store import digest
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.survey import Choice

SIZE = 4600
SAMPLING = Sampling(Grid(3.58, 1e-4, SIZE, is_log=True), (Arm("r", 0, SIZE),))
FIELD = Shard("toy", "field", 7)


@dataclass(frozen=True)
class ToySurvey:
    """See `pipeline.spectra.survey.Survey`."""

    folder: Path
    sampling = SAMPLING

    def catalogue(self) -> Iterator[Mapping[str, NDArray]]:
        rows = np.genfromtxt(self.folder / "redshifts.csv", delimiter=",", names=True)
        n = len(rows)
        yield {
            "SURVEY": np.full(n, FIELD.survey),
            "PROGRAM": np.full(n, FIELD.program),
            "HEALPIX": np.full(n, FIELD.healpix),
            "TARGETID": rows["number"].astype(np.int64),
            "TARGET_RA": rows["ra"],
            "TARGET_DEC": rows["dec"],
            "Z": rows["z"],
        }

    def select(self, rows: Mapping[str, NDArray], settings: TargetSettings) -> Choice:
        z, nothing = rows["Z"], np.full(len(rows["Z"]), "")
        is_inside = (z >= settings.z_min) & (z <= settings.z_max)
        parent = np.where(is_inside, Parent.CORE.value, "")
        return Choice(parent, nothing, nothing, np.where(is_inside, "", "redshift_outside_range"))

    def identify(self, shard: Shard) -> str:
        return digest((self.folder / f"{shard}.npz").stat().st_mtime_ns)

    def read(self, shard: Shard, targetids: NDArray[np.int64]) -> Spectra:
        try:
            file = np.load(self.folder / f"{shard}.npz")
        except OSError as error:
            raise DataError(f"{self.folder}/{shard}.npz: {error}") from None
        rows = np.flatnonzero(np.isin(file["number"], targetids))
        flux, ivar = (file[name][rows].astype(np.float32) for name in ("flux", "ivar"))
        return Spectra(file["number"][rows], flux, ivar, np.zeros(flux.shape, np.int32))
