"""The model on arrays: its own, and one of the lake."""

from pathlib import Path

import numpy as np
import pytest
from desi_tree import make_quasars
from lake_runs import find_model_id, finished_shards, read_all

from catalog_schema.desi import SAMPLING
from pipeline.config import Config
from pipeline.errors import QadError, UserError
from pipeline.lake.store import Store, digest_rows, to_matrix
from pipeline.numerics import limit_threads
from pipeline.spectra.model.calibrated import CalibratedModel
from pipeline.spectra.science.extinction import transmission

Z = np.array([1.5, 1.7, 1.9])
# Enough spectra for two folds and a validation sample.
N = 60


@pytest.fixture(scope="session")
def model(finished: Store, config: Config) -> CalibratedModel:
    return CalibratedModel(finished.lake.model(find_model_id(finished, config)), config)


@pytest.fixture(scope="session")
def spectra() -> tuple[np.ndarray, np.ndarray]:
    return make_quasars(Z, seed=9)


@pytest.fixture(scope="session")
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z = np.linspace(1.5, 1.9, N)
    return *make_quasars(z, seed=5), z


@pytest.fixture(scope="session")
def fitted(sample, config: Config, tmp_path_factory: pytest.TempPathFactory) -> CalibratedModel:
    folder = tmp_path_factory.mktemp("arrays") / "model"
    return CalibratedModel(folder, config, epochs=2).fit(*sample)


def test_fitted_model_tells_the_strange_from_its_own(fitted: CalibratedModel, sample) -> None:
    flux, ivar, z = (values[:10].copy() for values in sample)
    own = fitted.score(flux, ivar, z, np.arange(10))
    assert np.isfinite(own["anomaly_score"].to_numpy()).all()
    flux[:, 3000:3040] += 30 / np.sqrt(np.maximum(ivar[:, 3000:3040], 1e-6))
    strange = fitted.score(flux, ivar, z, np.arange(10))
    assert (strange["anomaly_score"].to_numpy() > own["anomaly_score"].to_numpy()).all()
    assert set(strange["reason"].to_pylist()) != set()


def test_threads_decide_no_bit(fitted: CalibratedModel, sample) -> None:
    scores, fluxes = [], []
    for n in (1, 5):
        with limit_threads(n):
            scores.append(fitted.score(*sample))
            fluxes.append(fitted.reconstruct(*sample))
    assert digest_rows(scores[0]) == digest_rows(scores[1])
    np.testing.assert_array_equal(*fluxes)


def test_reconstruction_follows_the_spectrum(fitted: CalibratedModel, sample) -> None:
    flux, ivar, z = sample
    rebuilt = fitted.reconstruct(flux, ivar, z)
    assert rebuilt.shape == flux.shape
    known = np.isfinite(rebuilt) & (ivar > 0)
    assert known.mean() > 0.5
    chi2 = np.mean(ivar[known] * (flux - rebuilt)[known] ** 2)
    assert chi2 < 0.5 * np.mean(ivar[known] * (flux - flux.mean())[known] ** 2)
    outside = fitted.reconstruct(flux[:2], ivar[:2], np.array([z[0], 5.0]))
    assert np.isfinite(outside[0]).any()
    assert np.isnan(outside[1]).all()


def test_the_same_arrays_make_the_same_model(
    fitted: CalibratedModel, sample, config: Config, tmp_path: Path
) -> None:
    again = CalibratedModel(tmp_path / "again", config, epochs=2).fit(*sample)
    names = sorted(path.name for path in fitted.folder.iterdir())
    assert names == sorted(path.name for path in again.folder.iterdir())
    for name in names:
        assert (fitted.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


def test_a_model_is_not_overwritten(fitted: CalibratedModel, sample) -> None:
    with pytest.raises(UserError, match="holds a model already"):
        fitted.fit(*sample)


def test_too_few_spectra_are_refused(sample, config: Config, tmp_path: Path) -> None:
    few = [values[:3] for values in sample]
    with pytest.raises(UserError, match="too few"):
        CalibratedModel(tmp_path / "few", config).fit(*few)
    assert not (tmp_path / "few").exists()


def test_unknown_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="epoch"):
        CalibratedModel(tmp_path, epoch=3)


def test_arrays_are_scored(model: CalibratedModel, spectra) -> None:
    table = model.score(*spectra, Z)
    assert table["row"].to_pylist() == [0, 1, 2]
    assert {"anomaly_score", "p_value", "q_value", "tier", "latent"} <= set(table.column_names)
    assert np.isfinite(table["anomaly_score"].to_numpy()).all()
    one = model.score(spectra[0][1], spectra[1][1], 1.7)
    assert one["chi2"][0].as_py() == pytest.approx(table["chi2"][1].as_py(), rel=1e-4)


def test_bad_values_are_missing_pixels(model: CalibratedModel, spectra) -> None:
    flux, ivar = (values.copy() for values in spectra)
    masked = ivar.copy()
    masked[:, 100:200] = 0
    flux[:, 100:150], ivar[:, 150:180], ivar[:, 180:200] = np.nan, -1, np.inf
    one, two = model.score(flux, ivar, Z), model.score(spectra[0], masked, Z)
    for name in ("chi2", "kl_divergence", "anomaly_score", "snr"):
        np.testing.assert_array_equal(one[name].to_numpy(), two[name].to_numpy())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_redshift_outside_is_left_out(model: CalibratedModel, spectra) -> None:
    table = model.score(*spectra, np.array([1.5, 5.0, np.nan]))
    assert table["row"].to_pylist() == [0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_left_is_an_empty_table(model: CalibratedModel, spectra) -> None:
    outside = model.score(*spectra, np.array([0.1, 5.0, np.nan]))
    dead = model.score(spectra[0], spectra[1] * 0, Z)
    none = model.score(np.zeros((0, 7781)), np.zeros((0, 7781)), np.zeros(0))
    full = model.score(*spectra, Z)
    for table in (outside, dead, none):
        assert table.num_rows == 0
        assert table.column_names == full.column_names


@pytest.mark.parametrize(
    ("flux", "ivar", "z"),
    [
        ((3, 7780), (3, 7780), 3),
        ((3, 7781), (2, 7781), 3),
        ((3, 7781), (3, 7781), 2),
        ((7,), (7,), 1),
    ],
)
def test_wrong_shapes_are_named(model: CalibratedModel, flux, ivar, z) -> None:
    with pytest.raises(UserError, match=r"\(n, 7781\)"):
        model.score(np.ones(flux), np.ones(ivar), np.ones(z))


def test_folder_that_is_no_model(tmp_path: Path, lake: Store, config: Config, spectra) -> None:
    with pytest.raises(UserError, match="is no model"):
        CalibratedModel(tmp_path, config).score(*spectra, Z)
    folder = lake.lake.model(find_model_id(lake, config))
    (folder / "null.parquet").unlink()
    with pytest.raises(QadError, match=r"null\.parquet"):
        CalibratedModel(folder, config).score(*spectra, Z)


def test_scores_of_arrays_are_those_of_the_lake(model: CalibratedModel, finished: Store) -> None:
    shard = finished_shards(finished, "score")[0]
    coadds = finished.read(finished.lake.shard("coadds", shard))[:4]
    scores = finished.read(finished.lake.shard("scores", shard))[:4]
    targets = {row["TARGETID"]: row for row in read_all(finished, "targets").to_pylist()}
    ids = coadds["TARGETID"].to_pylist()
    dust = transmission(SAMPLING.grid.wave, [targets[i]["EBV"] for i in ids], 3.1)
    table = model.score(
        to_matrix(coadds["flux"]) / dust,
        to_matrix(coadds["ivar"]) * dust**2,
        np.array([targets[i]["Z"] for i in ids]),
        np.array(ids),
    )
    np.testing.assert_allclose(table["chi2"].to_numpy(), scores["chi2"].to_numpy(), rtol=1e-3)
