"""A survey unlike DESI goes from its files to rest-frame windows by the same functions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_survey import FIELD, SAMPLING, SIZE, ToySurvey

from catalog_schema.desi import SAMPLING as DESI
from catalog_schema.tables import COADDS, RESTFRAME
from catalog_schema.validate import find_violations
from pipeline.config import load_config
from pipeline.errors import DataError, UserError
from pipeline.lake.store import to_matrix
from pipeline.settings.run import RunSettings
from pipeline.spectra.candidates import select_candidates
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.desi.survey import DesiSurvey
from pipeline.spectra.loose.files import LooseFiles
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.restframe import make_grid
from pipeline.spectra.surveys import recognise_survey
from pipeline.spectra.windows import make_windows

N = 5
CONFIG = load_config(None, source="toy")
REDSHIFTS = np.array([1.5, 1.6, 1.7, 1.8, 99.0])


@pytest.fixture
def survey(tmp_path: Path) -> ToySurvey:
    numbers, wave = np.arange(1, N + 1), SAMPLING.grid.wave
    flux = (wave / 5000) ** -1 * np.ones((N, 1))
    np.savez(tmp_path / f"{FIELD}.npz", number=numbers, flux=flux, ivar=np.full(flux.shape, 25.0))
    rows = np.column_stack([numbers, 10.0 + numbers, numbers, REDSHIFTS])
    path = tmp_path / "redshifts.csv"
    np.savetxt(path, rows, delimiter=",", header="number,ra,dec,z", comments="")
    return ToySurvey(tmp_path)


def test_a_toy_survey_goes_from_its_files_to_windows(survey: ToySurvey) -> None:
    settings = CONFIG.target
    blocks = ((rows, survey.select(rows, settings)) for rows in survey.catalogue())
    candidates, counts = select_candidates(blocks, settings)
    assert counts == {(FIELD, ""): 4, (FIELD, "redshift_outside_range"): 1}
    spectra = survey.read(FIELD, candidates["TARGETID"].to_numpy())
    coadds = spectra_to_table(FIELD, spectra, survey.sampling)
    assert find_violations(coadds, COADDS) == []
    assert get_sampling(coadds) == SAMPLING
    assert coadds["coverage_r"].to_pylist() == [1.0] * 4
    assert coadds["coverage_b"].to_pylist() == coadds["coverage_z"].to_pylist() == [0.0] * 4
    assert coadds["snr_b"].null_count == coadds["snr_z"].null_count == 4
    grid = make_grid(SAMPLING.grid, 1.4, 2.0, 2e-4, 16)
    made = make_windows(coadds, candidates, CONFIG.preprocess, grid)
    assert made.tables[0].num_rows == 4
    assert find_violations(made.tables[0], RESTFRAME) == []
    assert get_sampling(made.tables[0]) == SAMPLING
    flux, weight = (to_matrix(made.tables[0][name]) for name in ("rest_flux", "rest_weight"))
    for row, z in enumerate(REDSHIFTS[:4]):
        good = weight[row] > 0
        start, norm = (made.tables[0][name][row].as_py() for name in ("window_start", "norm"))
        observed = grid.wave[start : start + grid.window][good] * (1 + z)
        np.testing.assert_allclose(flux[row][good] * norm, (observed / 5000) ** -1, rtol=1e-3)


def test_a_missing_file_is_told(survey: ToySurvey) -> None:
    (survey.folder / f"{FIELD}.npz").unlink()
    with pytest.raises(DataError, match="toy-field-7"):
        survey.read(FIELD, np.array([1]))


@given(name=st.text(max_size=8))
def test_a_survey_is_recognised_or_named(name: str, tmp_path_factory) -> None:
    folder = tmp_path_factory.getbasetemp()

    def find(source: str | Path, survey: str = "") -> type:
        return recognise_survey(RunSettings(source=str(source), survey=survey))

    for source in ("mock", "s3://desidata/dr1", folder / "absent"):
        assert find(source) is DesiSurvey
    assert find(folder) is LooseFiles
    assert find(folder, "desi-tiles") is DesiSurvey
    if name:
        with pytest.raises(UserError, match=r"run\.survey"):
            find("mock", f"not {name}")


def test_the_toy_s_grid_is_not_desi_s() -> None:
    assert DESI.grid.size != SIZE
    assert SAMPLING.joins == {}
    assert SAMPLING.spans == {"r": (0.0, float("inf"))}
