"""Exported networks say what the model says."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lake_runs import find_model_id, read_windows

from pipeline.cli.main import qad
from pipeline.config import Config
from pipeline.errors import UserError, needing
from pipeline.lake.store import Store
from pipeline.spectra.model.export import MEMBER, export_model, invert_in_blocks
from pipeline.spectra.model.models import Model, load_model
from pipeline.spectra.model.training_windows import Windows
from pipeline.spectra.science.anomaly import fit_windows

onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: extra `export`")


@pytest.fixture(scope="module")
def model(finished: Store, config: Config) -> Model:
    return load_model(finished.lake.model(find_model_id(finished, config)))


@pytest.fixture(scope="module")
def exported(finished: Store, model: Model, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    to = tmp_path_factory.mktemp("onnx") / "networks"
    return export_model(finished.lake.model(model.model_id), to)


def run(path: Path, windows: Windows) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path)
    given = {"flux": windows.flux, "weight": windows.weight, "start": windows.start}
    return session.run(None, {name: values.numpy() for name, values in given.items()})


def mask_arms(windows: Windows) -> Windows:
    """Take a third of the pixels from some rows, another from others, all but one from a last."""
    weight, third = windows.weight.clone(), windows.weight.shape[1] // 3
    weight[::3, :third] = 0
    weight[1::3, -third:] = 0
    weight[-1] = 0
    weight[-1, third] = 1
    flux = torch.where(weight > 0, windows.flux, torch.nan)
    return Windows(flux, weight, windows.start, windows.split, windows.targetid)


@pytest.mark.parametrize("change", [lambda windows: windows, mask_arms])
@pytest.mark.parametrize("n", [1, 45])
def test_every_member_agrees_with_torch(
    finished: Store, model: Model, exported: list[Path], change, n: int
) -> None:
    windows = change(read_windows(finished)).take(np.arange(n))
    members = [member for ensemble in model.ensembles for member in ensemble]
    assert [path.name for path in exported] == [MEMBER.format(k) for k in range(len(members))]
    for path, member in zip(exported, members, strict=True):
        flux = torch.nan_to_num(windows.flux)
        fit = fit_windows(member.network, member.is_learnt, flux, windows.weight, windows.start)
        latent, spread, reconstruction = run(path, windows)
        # In units of the posterior's own spread and of the noise.
        np.testing.assert_allclose((latent - fit.latent) / spread, 0, atol=0.01)
        np.testing.assert_allclose(spread**2, fit.latent_variance, rtol=1e-3)
        departure = (reconstruction - fit.model) * np.sqrt(fit.weight)
        np.testing.assert_allclose(departure, 0, atol=0.01)


def test_a_file_says_what_it_is(model: Model, exported: list[Path]) -> None:
    about = onnxruntime.InferenceSession(exported[-1]).get_modelmeta().custom_metadata_map
    assert about["model_id"] == f'"{model.model_id}"'
    assert (about["seed"], about["fold"], about["folds"]) == ("1", "1", "2")
    assert float(about["log10_step"]) == model.grid.log10_step


@pytest.mark.parametrize("size", [1, 2, 3, 16, 32])
@pytest.mark.parametrize("condition", [1e1, 1e4, 1e7])
def test_inverse_without_a_decomposition(size: int, condition: float) -> None:
    generator = torch.Generator().manual_seed(size)
    axes, _ = torch.linalg.qr(torch.randn(5, size, size, generator=generator).double())
    scales = torch.logspace(0, np.log10(condition), size).double()
    matrices = axes @ torch.diag(scales) @ axes.transpose(1, 2)
    unit = torch.eye(size).double().expand(5, -1, -1)
    torch.testing.assert_close(invert_in_blocks(matrices) @ matrices, unit, rtol=0, atol=1e-6)
    inverse = invert_in_blocks(matrices.float())
    assert inverse.dtype == torch.float32
    exact = matrices.float().double().inverse().float()
    torch.testing.assert_close(inverse, exact, rtol=1e-5, atol=1e-6)


def test_the_command_writes_a_new_folder_only(finished: Store, model: Model, tmp_path: Path):
    call = ["model", "export", model.model_id, "--root", finished.root, "--to", tmp_path / "new"]
    done = CliRunner().invoke(qad, [str(part) for part in call])
    assert done.output.count("wrote") == len(list((tmp_path / "new").iterdir()))
    folder = finished.lake.model(model.model_id)
    with pytest.raises(UserError, match="exists; choose another"):
        export_model(folder, tmp_path / "new")
    with pytest.raises(UserError, match="is no model"):
        export_model(tmp_path, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_missing_library_is_one_line() -> None:
    message = r"no_such_library is missing: pip install .*\[export\]"
    with pytest.raises(UserError, match=message), needing("export"):
        import_module("no_such_library")
