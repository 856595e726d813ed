"""Scores: of the member that has not seen the object, whatever the rows' order and company."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.ensemble import IsolationForest
from toy_model import GRID, SHAPE, WINDOW, make_model, make_windows

from catalog_schema.desi import SAMPLING
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import SCORES
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.science.draw import assign_folds
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.models import Model, TrainingRecord, save_model
from pipeline.spectra.model.scorer import Scorer, fit_batches, score_windows
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.anomaly import fit_windows
from pipeline.spectra.science.restframe import find_noise_share
from pipeline.stage import Product

SETTINGS = ScoreSettings(trees=10)
NAMES = [statistic.name for statistic in STATISTICS]
N = 11


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model on disk."""
    path = tmp_path_factory.mktemp("models") / "toy"
    path.mkdir()
    save_model(path, model, [TrainingRecord()] * 4, Config())
    return path


@pytest.fixture(scope="module")
def scorer(model: Model) -> Scorer:
    return Scorer(model, SETTINGS, 3, SAMPLING)


def score(folder: Path, windows: pa.Table, **values: object) -> Product:
    return score_windows(folder, ScoreSettings(trees=10, **values), 3, windows)


def assert_close(one: dict, two: dict) -> None:
    """Compare columns of numbers or words."""
    assert one.keys() == two.keys()
    for name, values in one.items():
        if values.dtype.kind in "UO":
            assert values.tolist() == two[name].tolist(), name
        else:
            np.testing.assert_allclose(values, two[name], rtol=2e-3, atol=2e-3, err_msg=name)


def test_a_row_is_fitted_by_the_member_of_its_fold(model: Model) -> None:
    windows, folds = make_windows(N), np.arange(N) % 2
    seen = []
    for k, rows, fit in fit_batches(model.members, ScoreSettings(batch_size=2), windows, folds):
        assert (folds[rows] == k).all()
        assert len(rows) <= 2
        member = model.members[k]
        columns = ("rest_flux", "rest_weight")
        flux, weight = (torch.from_numpy(to_matrix(windows[name])[rows]) for name in columns)
        start = torch.from_numpy(windows["window_start"].to_numpy().astype(np.int64)[rows])
        expected = fit_windows(member.network, member.is_learnt, flux, weight, start)
        # How a product is rounded depends on how many rows it has.
        np.testing.assert_allclose(fit.latent, expected.latent, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(fit.weight, expected.weight)
        seen += rows.tolist()
    assert sorted(seen) == list(range(N))


def test_a_fold_without_a_row_is_passed_over(model: Model) -> None:
    found = list(fit_batches(model.members, SETTINGS, make_windows(3), np.ones(3, np.intp)))
    assert [k for k, _, _ in found] == [1]


def test_rows_come_back_in_their_order(scorer: Scorer) -> None:
    windows, folds = make_windows(N), np.random.default_rng(0).integers(0, 2, N)
    found = scorer.measure(windows, folds)
    order = np.random.default_rng(1).permutation(N)
    shuffled = scorer.measure(windows.take(pa.array(order)), folds[order])
    assert_close({name: values[order] for name, values in found.items()}, shuffled)
    alone = [scorer.measure(windows.slice(k, 1), folds[k : k + 1]) for k in range(N)]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in found}
    assert_close(found, joined)


@pytest.mark.parametrize("batch_size", [1, 4, 5, 256])
def test_size_of_the_batches_does_not_matter(model: Model, scorer: Scorer, batch_size: int) -> None:
    windows, folds = make_windows(N), np.arange(N) % 2
    other = Scorer(model, ScoreSettings(trees=10, batch_size=batch_size), 3, SAMPLING)
    assert_close(other.measure(windows, folds), scorer.measure(windows, folds))


def test_members_of_the_other_fold_score_otherwise(scorer: Scorer) -> None:
    windows = make_windows(4)
    one, two = (scorer.measure(windows, np.full(4, fold)) for fold in (0, 1))
    assert (one["amplitude"] != two["amplitude"]).all()
    assert (one["isolation_score"] != two["isolation_score"]).all()


def test_statistics_of_every_seed_stand_side_by_side(model: Model, scorer: Scorer) -> None:
    """The first seed makes the scores; the others add theirs and change nothing of it."""
    windows, folds = make_windows(N), np.arange(N) % 2
    found = scorer.measure(windows, folds)
    turned = Model("toy", model.ensembles[::-1], GRID, SAMPLING, model.excess)
    other = Scorer(turned, SETTINGS, 3, SAMPLING).measure(windows, folds)
    k = len(STATISTICS)
    assert found["seed_statistics"].shape == (N, 2 * k)
    np.testing.assert_array_equal(found["seed_statistics"][:, :k], found["statistics"])
    np.testing.assert_array_equal(found["seed_statistics"][:, k:], other["statistics"])
    np.testing.assert_array_equal(other["seed_statistics"][:, k:], found["statistics"])
    assert not np.allclose(found["statistics"], other["statistics"], equal_nan=True)


def test_isolation_is_that_of_the_member_s_own_latents(model: Model, scorer: Scorer) -> None:
    windows, folds = make_windows(N), np.arange(N) % 2
    found = scorer.measure(windows, folds)
    for k, member in enumerate(model.members):
        forest = IsolationForest(n_estimators=10, random_state=3).fit(member.latents.numpy())
        rows = folds == k
        expected = -forest.score_samples(found["latent"][rows])
        np.testing.assert_allclose(found["isolation_score"][rows], expected, rtol=1e-5)
    place = NAMES.index("isolation")
    np.testing.assert_array_equal(found["statistics"][:, place], found["isolation_score"])


def test_named_columns_are_their_statistics(scorer: Scorer) -> None:
    found = scorer.measure(make_windows(N), np.arange(N) % 2)
    for name in ("chi2", "chi2_b", "chi2_r", "chi2_z", "kl_divergence"):
        np.testing.assert_array_equal(found[name], found["statistics"][:, NAMES.index(name)])
    assert found["statistics"].dtype == np.float32


def test_the_worst_arm_is_that_of_the_largest_misfit(scorer: Scorer) -> None:
    windows = make_windows(N)
    flux = to_matrix(windows["rest_flux"])
    for row, part in ((0, slice(0, 60)), (1, slice(450, 512))):
        flux[row, part] *= 3
    found = scorer.measure(replace_columns(windows, {"rest_flux": flux}), np.arange(N) % 2)
    chi2 = np.stack([found[f"chi2_{arm}"] for arm in "brz"], 1)
    assert found["worst_arm"].tolist() == ["brz"[k] for k in np.nanargmax(chi2, axis=1)]
    assert len(set(found["worst_arm"][:2])) == 2


def test_pixels_that_the_member_has_not_learnt_are_not_counted(model: Model, scorer: Scorer):
    windows, folds = make_windows(N), np.arange(N) % 2
    found = scorer.measure(windows, folds)
    pixels = windows["window_start"].to_numpy()[:, None] + np.arange(WINDOW)
    weight = to_matrix(windows["rest_weight"])
    for row, fold in enumerate(folds):
        is_learnt = model.members[fold].is_learnt.numpy()[pixels[row]]
        assert found["n_valid"][row] == np.count_nonzero(is_learnt & (weight[row] > 0))


def test_the_excess_softens_every_misfit(model: Model) -> None:
    windows, folds = make_windows(N), np.arange(N) % 2
    plain = Model("toy", model.ensembles, GRID, SAMPLING, 0 * model.excess)
    hard, soft = (
        Scorer(each, SETTINGS, 3, SAMPLING).measure(windows, folds) for each in (plain, model)
    )
    assert (soft["chi2"] < hard["chi2"]).all()
    np.testing.assert_array_equal(soft["latent"], hard["latent"])


def test_the_misfit_is_over_the_noise_of_single_pixels_and_the_excess(
    model: Model, scorer: Scorer
) -> None:
    windows, folds = make_windows(N), np.arange(N) % 2
    found = scorer.measure(windows, folds)["chi2"]
    share = find_noise_share(GRID, SAMPLING.grid)
    for _, rows, fit in fit_batches(model.members, SETTINGS, windows, folds):
        used = fit.is_used
        noise = np.divide(share, fit.weight, where=used, out=np.ones_like(fit.weight))
        squares = np.where(used, fit.residual**2 / (noise + (0.03 * fit.model) ** 2), 0)
        freedom = used.sum(1) - (SHAPE.latent + 1)
        np.testing.assert_allclose(found[rows], squares.sum(1) / freedom, rtol=1e-4)


def test_rows_of_scores_keep_what_the_windows_say(folder: Path) -> None:
    windows = make_windows(N)
    product = score(folder, windows)
    [table] = product.tables
    assert find_violations(table, SCORES) == []
    assert product.dropped == {"outside_training_range": 0}
    for name in ("HEALPIX", "TARGETID", "Z", "split", "parent", "control", "snr", "coverage_b"):
        assert table[name].to_pylist() == windows[name].to_pylist(), name
    assert set(table["model_id"].to_pylist()) == {"toy"}


def test_the_fold_is_that_of_the_object_or_of_whom_it_stands_for(
    folder: Path, scorer: Scorer
) -> None:
    windows = make_windows(N)
    own = windows["TARGETID"].to_numpy()
    others = own + 1_000_003 * np.arange(N)
    assert (assign_folds(own, 2) != assign_folds(others, 2)).any()
    for ids, given in ((own, None), (others, others)):
        [table] = score_windows(folder, SETTINGS, 3, windows, given).tables
        expected = scorer.measure(windows, assign_folds(ids, 2))
        np.testing.assert_allclose(table["amplitude"], expected["amplitude"], rtol=1e-6)
        assert table["TARGETID"].to_pylist() == own.tolist()


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_rows_with_too_few_learnt_pixels_are_dropped_and_counted(
    folder: Path, scorer: Scorer, share: float
) -> None:
    windows = make_windows(N)
    weight = to_matrix(windows["rest_weight"])
    for row in range(N):
        weight[row, 50 * row :] = 0
    cut = replace_columns(windows, {"rest_weight": weight})
    folds = assign_folds(windows["TARGETID"].to_numpy(), 2)
    is_kept = scorer.measure(cut, folds)["n_valid"] >= share * WINDOW
    product = score(folder, cut, min_valid_fraction=share)
    expected = windows["TARGETID"].to_numpy()[is_kept].tolist()
    assert product.tables[0]["TARGETID"].to_pylist() == expected
    assert product.dropped == {"outside_training_range": N - len(expected)}
    assert 0 < len(expected) < N
    np.testing.assert_array_equal(product.tables[0]["n_valid"].to_numpy() >= share * WINDOW, True)


def test_no_row_is_a_table_without_rows(folder: Path) -> None:
    whole, empty = (score(folder, make_windows(n)).tables[0] for n in (3, 0))
    assert empty.num_rows == 0
    assert empty.schema.equals(whole.schema)
    assert empty.schema.field("latent").type.list_size == SHAPE.latent


@pytest.mark.parametrize(
    ("snr", "log_snr"),
    [(10.0, 1.0), (0.1, -1.0), (0.001, -1.0), (-5.0, -1.0), (None, -1.0), (100.0, 2.0)],
)
def test_signal_to_noise_counts_down_to_a_floor(
    folder: Path, snr: float | None, log_snr: float
) -> None:
    windows = replace_columns(make_windows(1), {"snr": [snr]})
    assert score(folder, windows).tables[0]["log_snr"][0].as_py() == pytest.approx(log_snr)


def test_coverage_is_the_mean_of_the_arms_that_are_known(folder: Path) -> None:
    arms = {"coverage_b": [0.2, None, 0.9], "coverage_r": [0.4, 0.5, None]}
    windows = replace_columns(make_windows(3), arms | {"coverage_z": [0.9, 1.0, None]})
    table = score(folder, windows).tables[0]
    np.testing.assert_allclose(table["coverage"], [0.5, 0.75, 0.9], rtol=1e-6)
    assert get_sampling(windows) == SAMPLING
