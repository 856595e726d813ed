"""What README.md and docs/using.md show to be typed works, in their order, on a finished root."""

import json
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from command_line import SMALL, Run
from documented import ROOT, find_commands

pytestmark = pytest.mark.slow
# Other tests start the portal, publish, which would talk to a server, and go from files of SDSS
# and LAMOST to a release.
_ELSEWHERE = ("portal", "publish", "sdss", "lamost")
_SETTINGS = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def place(survey: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory of the user: the tree, the root, loose files and the settings."""
    folder = tmp_path_factory.mktemp("documented")
    (folder / "TREE").symlink_to(survey)
    shutil.copytree(finished, folder / "DIR")
    coadd = next(survey.glob("spectro/redux/iron/healpix/sv3/dark/*/*/coadd-*.fits"))
    (folder / "FOLDER").mkdir()
    for name in (folder / "coadd-1-80693-thru20210204.fits", folder / "FOLDER" / "coadd-1.fits"):
        shutil.copy(coadd, name)
    catalogue = survey / "spectro/redux/iron/zcatalog/v1/zall-pix-iron.fits"
    shutil.copy(catalogue, folder / "zcat.fits")
    rows = fits.getdata(catalogue, 1)
    pairs = pyarrow.table({name: rows[name].tolist() for name in ("TARGETID", "Z")})
    pyarrow.csv.write_csv(pairs, folder / "pairs.csv")
    return folder


def _fill_in(words: list[str], place: Path) -> list[str]:
    """Put this place's names where the documents have theirs; add the settings of its root."""
    [card] = place.glob("DIR/models/*/model.json")
    model = json.loads(card.read_text())["id"]
    names = {
        "ID": model,
        "6ece56a4cbae": model,
        "OTHER": "TREE",
        "data": "DIR",
        "s3://BUCKET/PREFIX": "backups",
    }
    filled = [str(names.get(word, word)) for word in words[1:]]
    if filled[:2] == ["release", "build"]:
        filled += ["--source", "TREE", *_SETTINGS]
    elif filled[0] in ("run", "score"):
        filled += _SETTINGS
    return filled


@pytest.mark.parametrize("document", ["README.md", "docs/using.md"])
def test_every_command_works(
    document: str, place: Path, qad: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    calls = [words for words in find_commands(ROOT / document) if words[0] == "qad"]
    assert len(calls) >= 7
    for words in calls:
        if not set(words) & set(_ELSEWHERE):
            done = qad(*_fill_in(words, place))
            assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
            assert done.stdout
    [scored] = {len(pq.read_table(path)) > 0 for path in place.glob("DIR/applied/*/scored.parquet")}
    assert scored
