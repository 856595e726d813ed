"""The command `qad plot`: a picture, or one line that says why there is none."""

from pathlib import Path

import pytest
from lake_runs import read_all

from pipeline.lake.store import Store

pytest.importorskip("matplotlib")


@pytest.fixture(scope="session")
def targetid(finished: Store) -> int:
    return read_all(finished, "reconstructions")["TARGETID"][0].as_py()


def test_picture_is_written(
    call, finished: Store, targetid: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("plot", targetid, "--root", finished.root)
    assert (code, out, err) == (0, f"wrote       {targetid}.png\n", "")
    assert (tmp_path / f"{targetid}.png").read_bytes().startswith(b"\x89PNG")
    code, _, _ = call("plot", targetid, "--root", finished.root, "--to", "new/one.svg")
    assert code == 0
    assert f"TARGETID {targetid}" in (tmp_path / "new" / "one.svg").read_text()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["5000"], "no object has TARGETID 5000"),
        (["--", "-5"], "no object has TARGETID -5"),
        (["1", "--to", "a.jpg"], "a.jpg: name a picture that ends in .png, .svg, .pdf"),
        (["1", "--version", "1.0.0"], "no release 1.0.0; there: none"),
        (["1", "--version", "one"], "X.Y.Z"),
        (["one"], "'one' is not a valid int"),
    ],
)
def test_fault_is_one_line(call, finished: Store, words: list[str], part: str) -> None:
    code, _, err = call("plot", "--root", finished.root, *words)
    assert code == 2
    assert part in err
    assert err.count("\n") == 1


def test_root_that_is_none(call, tmp_path: Path) -> None:
    code, _, err = call("plot", 5, "--root", tmp_path / "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    assert "no such data root" in err
