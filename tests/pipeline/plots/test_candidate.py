"""Finding an object with its spectrum: in a release, in the lake behind it, or nowhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lake_runs import read_all

from catalog_schema.contents import SPECTRA
from catalog_schema.kinds import KINDS
from pipeline.errors import DataError, UserError
from pipeline.lake.store import Store, to_matrix
from pipeline.plots.candidate import find_candidate


@pytest.fixture(scope="session")
def rows(finished: Store) -> dict[str, pa.Table]:
    names = ("coadds", "reconstructions", "targets")
    return {name: read_all(finished, name) for name in names}


def write_release(root: Path, version: str, ids: list[int], published: list[int]) -> Path:
    """Write as much of a release as an object is looked for in."""
    folder = root / "releases" / version
    (folder / "catalog").mkdir(parents=True)
    (folder / "spectra").mkdir()
    (folder / "manifest.json").write_text(json.dumps({"version": version, "kind": "spectra"}))
    n = len(ids)
    listed = {
        "TARGETID": ids,
        "Z": [1.25] * n,
        "anomaly_class": ["bal"] * n,
        "tier": ["gold"] * n,
        "finding_p_value": [1e-4] * n,
        "p_value": [0.5] * n,
    }
    pq.write_table(pa.table(listed), folder / KINDS["spectra"].main_file)
    flux = np.ones((len(published), 7781), np.float32)
    spectra = {"TARGETID": pa.array(published, pa.int64())}
    for name, values in (("flux", flux), ("ivar", flux), ("model", flux)):
        spectra[name] = pa.FixedSizeListArray.from_arrays(values.ravel(), 7781)
    spectra["mask"] = pa.FixedSizeListArray.from_arrays(flux.astype(np.int32).ravel(), 7781)
    pq.write_table(pa.table(spectra), folder / SPECTRA)
    return folder


def test_object_of_the_lake(finished: Store, rows: dict[str, pa.Table]) -> None:
    targetid = rows["reconstructions"]["TARGETID"][0].as_py()
    found = find_candidate(finished.root, targetid)
    is_wanted = pc.field("TARGETID") == targetid
    coadd, model = (rows[name].filter(is_wanted) for name in ("coadds", "reconstructions"))
    for name in ("flux", "ivar", "mask"):
        np.testing.assert_array_equal(getattr(found, name), to_matrix(coadd[name])[0])
    np.testing.assert_array_equal(found.model, to_matrix(model["model"])[0])
    target = rows["targets"].filter(is_wanted).to_pylist()[0]
    assert found.z == target["Z"]
    assert found.origin == f"the lake, main-dark-{target['HEALPIX']}"
    assert found.tier in {"none", "bronze", "silver", "gold"}
    assert found.anomaly_class
    assert found.p_value is not None
    assert 0 < found.p_value <= 1


def test_object_without_reconstruction(finished: Store, rows: dict[str, pa.Table]) -> None:
    published = set(rows["reconstructions"]["TARGETID"].to_pylist())
    left = next(i for i in rows["coadds"]["TARGETID"].to_pylist() if i not in published)
    found = find_candidate(finished.root, left)
    assert np.isnan(found.model).all()
    assert (found.ivar > 0).any()


def test_release_goes_before_the_lake(lake: Store, rows: dict[str, pa.Table]) -> None:
    ids = rows["coadds"]["TARGETID"].to_pylist()
    write_release(lake.root, "1.0.0", ids[:3], ids[1:2])
    newest = write_release(lake.root, "1.10.0", ids[:3], ids[:1])
    found = find_candidate(lake.root, ids[0])
    assert found.origin == "release 1.10.0"
    assert (found.z, found.anomaly_class, found.tier, found.p_value) == (1.25, "bal", "gold", 1e-4)
    assert (found.flux == 1).all()
    assert find_candidate(newest, ids[0]).origin == "release 1.10.0"
    # Not published there: the lake has the spectrum, the release has the word.
    for version in (None, "1.0.0"):
        kept = find_candidate(lake.root, ids[2], version)
        assert kept.origin.startswith("the lake, ")
        assert (kept.tier, kept.p_value) == ("gold", 1e-4)
    assert find_candidate(lake.root, ids[1], "1.0.0").origin == "release 1.0.0"
    with pytest.raises(UserError, match=r"no spectrum of TARGETID \d+ is published; give the data"):
        find_candidate(newest, ids[2])
    with pytest.raises(UserError, match="no object has TARGETID 77"):
        find_candidate(newest, 77)
    with pytest.raises(UserError, match=r"or the lake of .*: no object has TARGETID 77"):
        find_candidate(lake.root, 77)
    with pytest.raises(UserError, match=r"no release 9\.0\.0; there: 1\.0\.0, 1\.10\.0"):
        find_candidate(lake.root, ids[0], "9.0.0")


def test_release_without_its_lake(tmp_path: Path) -> None:
    write_release(tmp_path, "1.0.0", [5, 6], [5])
    assert find_candidate(tmp_path, 5).origin == "release 1.0.0"
    with pytest.raises(UserError, match="no spectrum of TARGETID 6 is published"):
        find_candidate(tmp_path, 6)


def test_bad_places(lake: Store, tmp_path: Path, rows: dict[str, pa.Table]) -> None:
    with pytest.raises(UserError, match="no such data root"):
        find_candidate(tmp_path / "nowhere", 5)
    with pytest.raises(UserError, match=r"X\.Y\.Z"):
        find_candidate(lake.root, 5, "newest")
    release = write_release(lake.root, "1.0.0", [5], [5])
    (release / SPECTRA).write_bytes(b"no Parquet")
    with pytest.raises(DataError, match="cannot be read"):
        find_candidate(lake.root, 5)
    (release / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="cannot be read"):
        find_candidate(lake.root, 5)
    shutil.rmtree(release)
    targetid = rows["coadds"]["TARGETID"][0].as_py()
    for path in lake.lake.dataset("coadds").rglob("*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        find_candidate(lake.root, targetid)
