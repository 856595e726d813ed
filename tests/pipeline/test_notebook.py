"""What a notebook finds in one place."""

import json
from pathlib import Path

import numpy as np
import pytest
from desi_tree import make_quasars, write_coadd, write_table
from lake_runs import SMALL, find_model_id

from pipeline import notebook
from pipeline.config import Config
from pipeline.errors import DataError, UserError
from pipeline.lake.store import Store

IDS, Z = np.arange(9001, 9007), np.array([1.55, 1.6, 1.65, 1.7, 1.75, 0.3])
# Those that decide how spectra are read; the model's own settings come with it.
SETTINGS = ("classify.map_anchors=30",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A coadd and its redrock file: five quasars of the model's redshifts and a galaxy."""
    place, kinds = tmp_path / "new", np.array(["QSO"] * 5 + ["GALAXY"])
    write_coadd(place / "coadd-one.fits", IDS, *make_quasars(Z))
    write_table(place / "redrock-one.fits", REDSHIFTS={"TARGETID": IDS, "Z": Z, "SPECTYPE": kinds})
    return place


def test_every_name_is_there() -> None:
    assert all(callable(getattr(notebook, name)) for name in notebook.__all__)
    assert set(notebook.__all__) <= set(dir(notebook))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        notebook.absent  # noqa: B018


def test_scores_of_files_are_a_table(lake: Store, config: Config, folder: Path) -> None:
    model = find_model_id(lake, config)
    table = notebook.score(folder, model, lake.root, settings=SETTINGS)
    assert sorted(table["TARGETID"].to_pylist()) == IDS[:5].tolist()
    assert {"anomaly_score", "p_value", "anomaly_class", "tier"} <= set(table.column_names)
    told = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
    assert json.loads(told["dropped"]) == {"not_quasar": 1}
    assert "calibration" in told["calibration"]
    assert isinstance(json.loads(told["notes"]), list)


def test_scores_of_arrays_are_a_table(lake: Store, config: Config) -> None:
    model = find_model_id(lake, config)
    table = notebook.score((*make_quasars(Z[:3]), Z[:3]), model, lake.root)
    assert table["row"].to_pylist() == [0, 1, 2]
    assert {"anomaly_score", "p_value", "tier"} <= set(table.column_names)


def test_damaged_file_is_a_warning_and_nothing_left_a_fault(
    lake: Store, config: Config, folder: Path
) -> None:
    model = find_model_id(lake, config)
    (folder / "coadd-two.fits").write_bytes(b"no FITS file")
    with pytest.warns(UserWarning, match="coadd-two"):
        table = notebook.score(folder, model, lake.root, settings=SETTINGS)
    assert table.num_rows == 5
    (folder / "coadd-two.fits").unlink()
    redshifts = folder.parent / "z.csv"
    redshifts.write_text("TARGETID,Z\n5,1.6\n")
    with pytest.raises(DataError, match=r"no spectrum could be scored \(no_redshift 6; "):
        notebook.score(folder, model, lake.root, redshifts, SETTINGS)
    with pytest.raises(UserError, match="neither a folder nor an id"):
        notebook.score(folder, "absent", lake.root)
    with pytest.raises(UserError, match="no such file or folder"):
        notebook.score(folder / "absent", model, lake.root)


def test_command_line(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"
    assert notebook.qad("target", "--source", survey, "--root", root) == 0
    assert "45 of 45 rows" in capsys.readouterr().out
    with pytest.raises(UserError, match="no such folder"):
        notebook.qad("target", "--source", tmp_path / "absent", "--root", root)
    with pytest.raises(UserError, match=r"X\.Y\.Z"):
        notebook.run(survey, root, "one", SMALL)


def test_failed_shards_are_a_fault(
    survey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "qad", lambda *_: 1)
    with pytest.raises(DataError, match="qad status --failed"):
        notebook.run(survey, tmp_path / "root", "1.0.0")
