"""The plain autoencoder: training on tiles, gaps, files of its own."""

from pathlib import Path

import numpy as np
import pytest
from desi_tree import make_quasars, write_coadd, write_table

from pipeline.errors import UserError
from pipeline.lake.store import to_matrix
from pipeline.spectra.loose.tile_extraction import extract_qso_tile_to_parquet
from pipeline.spectra.loose.tiles import Tiles, read_tiles
from pipeline.spectra.model.autoencoder import QSOAutoencoder

N = 40
LOW, HIGH = 5000.0, 5500.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of quasars, of which every fourth has a gap and one no signal."""
    place = tmp_path_factory.mktemp("tiles")
    z, ids = np.linspace(1.5, 1.9, N), np.arange(1, N + 1)
    flux, ivar = make_quasars(z, 3, noise=0.03)
    ivar[::4, 2000:2100] = 0
    flux[0] = 0.3 * np.random.default_rng(0).standard_normal(flux.shape[1])
    ivar[0] = np.where(ivar[0] > 0, 1 / 0.3**2, 0)
    write_coadd(place / "in" / "coadd-a.fits", ids, flux, ivar)
    write_table(place / "in" / "redrock-a.fits", REDSHIFTS={"TARGETID": ids, "Z": z})
    extract_qso_tile_to_parquet(place / "in", place / "out", LOW, HIGH)
    return place / "out"


@pytest.fixture(scope="module")
def tiles(folder: Path) -> Tiles:
    return read_tiles(folder)


@pytest.fixture(scope="module")
def spectra(tiles: Tiles) -> tuple[np.ndarray, np.ndarray]:
    return to_matrix(tiles.rows["flux"]), to_matrix(tiles.rows["ivar"])


@pytest.fixture(scope="module")
def size(tiles: Tiles) -> int:
    return tiles.sampling.grid.size


@pytest.fixture(scope="module")
def trained(folder: Path, size: int) -> QSOAutoencoder:
    model = QSOAutoencoder(size, 4, [32])
    model.train(folder, batch_size=8, epochs=30)
    return model


def test_training_learns_and_repeats_itself(folder: Path, size: int, spectra) -> None:
    models = [QSOAutoencoder(size, 4, [32], seed=3) for _ in range(2)]
    first, second = (model.train(folder, 8, 20) for model in models)
    assert first == second
    assert first.losses[-1] < 0.5 * first.losses[0]
    assert (first.n_spectra, first.dropped) == (N - 1, {"no_signal": 1})
    np.testing.assert_array_equal(models[0].score(*spectra), models[1].score(*spectra))


def test_shapes_and_units(trained: QSOAutoencoder, spectra) -> None:
    flux, ivar = spectra
    assert trained.encode(flux, ivar).shape == (N, 4)
    rebuilt = trained.reconstruct(flux, ivar)
    assert rebuilt.shape == flux.shape
    assert np.isnan(trained.score(flux, ivar)[0])
    assert np.isnan(rebuilt[0]).all()
    np.testing.assert_allclose(np.median(rebuilt[1:], 1), np.median(flux[1:], 1), rtol=0.2)
    scaled = trained.reconstruct(1000 * flux[1:], ivar[1:] / 1e6)
    np.testing.assert_allclose(scaled, 1000 * rebuilt[1:], rtol=1e-3)


def test_missing_pixels_decide_nothing(trained: QSOAutoencoder, spectra) -> None:
    flux, ivar = (values[1:].copy() for values in spectra)
    ivar[:, 50:90] = 0
    expected = trained.score(flux, ivar)
    for value in (0, 1e6, np.nan, np.inf):
        flux[:, 50:90] = value
        np.testing.assert_array_equal(trained.score(flux, ivar), expected)
    rebuilt = trained.reconstruct(flux, ivar)
    assert np.isfinite(rebuilt).all()
    nothing = np.zeros_like(ivar)
    assert np.isnan(trained.score(flux, nothing)).all()


def test_score_follows_noise_and_strangeness(trained: QSOAutoencoder, spectra) -> None:
    flux, ivar = (values[1:] for values in spectra)
    own = trained.score(flux, ivar)
    strange = flux.copy()
    strange[:, 100:140] *= 3
    assert (trained.score(strange, ivar) > own).all()
    noisy = flux + 0.2 * np.random.default_rng(1).standard_normal(flux.shape)
    assert (trained.score(noisy, np.full_like(ivar, 1 / 0.2**2)) > own).all()


def test_round_trip(trained: QSOAutoencoder, spectra, folder: Path, tmp_path: Path) -> None:
    path = trained.save(tmp_path / "model.safetensors")
    again = QSOAutoencoder.load(path)
    assert again.sampling == trained.sampling
    assert again.hidden_layers == (32,)
    np.testing.assert_array_equal(again.score(*spectra), trained.score(*spectra))
    again.train(folder, epochs=1)
    unlearnt = QSOAutoencoder(7, 2, []).save(tmp_path / "unlearnt.safetensors")
    assert QSOAutoencoder.load(unlearnt).sampling is None


def test_file_that_is_no_model(trained: QSOAutoencoder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        QSOAutoencoder.load(tmp_path / "none")
    path = trained.save(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged"):
        QSOAutoencoder.load(path)
    (tmp_path / "text").write_text("no model at all")
    with pytest.raises(UserError, match="not an autoencoder"):
        QSOAutoencoder.load(tmp_path / "text")


def test_bad_input(trained: QSOAutoencoder, folder: Path, size: int, tmp_path: Path) -> None:
    for sizes in ((0, 3, [4]), (5, -1, [4]), (5, 3, [2.5])):
        with pytest.raises(UserError, match="positive whole number"):
            QSOAutoencoder(*sizes)
    with pytest.raises(UserError, match="cannot be used"):
        QSOAutoencoder(5, 3, device="no-such")
    with pytest.raises(UserError, match="at least 1"):
        trained.train(folder, epochs=0)
    with pytest.raises(UserError, match=f"{size} pixels"):
        QSOAutoencoder(7, 2).train(folder)
    with pytest.raises(UserError, match=rf"\(n, {size}\)"):
        trained.score(np.ones((2, 5)), np.ones((2, 5)))
    with pytest.raises(UserError, match="no such file or folder"):
        trained.train(tmp_path / "none")


def test_other_wavelengths_are_refused(folder: Path, size: int, tmp_path: Path) -> None:
    shift = 8.0
    extract_qso_tile_to_parquet(folder.parent / "in", tmp_path / "out", LOW + shift, HIGH + shift)
    model = QSOAutoencoder(size, 2, [8])
    model.train(folder, epochs=1)
    with pytest.raises(UserError, match="learnt from before"):
        model.train(tmp_path / "out")
