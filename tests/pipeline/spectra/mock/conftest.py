from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from pipeline.spectra.mock import plan
from pipeline.spectra.mock.survey import make_survey


@dataclass
class Made:
    root: Path
    zcatalog: np.ndarray
    truth: pa.Table

    def files(self, kind):
        return sorted((self.root / "healpix").rglob(f"{kind}-*.fits"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A small survey in which half of the quasars are planted, so that every family occurs."""
    destination = tmp_path_factory.mktemp("mock") / "dr1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ANOMALY_SHARE", 0.5)
        make_survey(destination, n_quasars=60, n_pixels=4, seed=5)
    root = destination / "spectro" / "redux" / "iron"
    zcatalog = fits.getdata(root / "zcatalog" / "v1" / "zall-pix-iron.fits")
    return Made(root, zcatalog, pq.read_table(destination.with_name("dr1-truth.parquet")))
