"""Bad input: one clear line, the right exit code, the other shards go on, nothing half-written."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from command_line import Run, run_arguments

pytestmark = pytest.mark.slow


def _coadd(tree: Path) -> Path:
    return next(tree.glob("spectro/redux/iron/healpix/sv3/dark/*/*/coadd-*.fits"))


def _drop_arm(path: Path) -> None:
    with fits.open(path) as hdus:
        kept = fits.HDUList([hdu for hdu in hdus if not hdu.name.startswith("B_")])
        kept.writeto(path, overwrite=True)


def _truncate(path: Path) -> None:
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size * 2 // 3)


def _shift_grid(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["R_WAVELENGTH"].data += 0.4


def _garble(path: Path) -> None:
    path.write_bytes(b"no FITS at all" * 300)


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        ("coadd", _drop_arm, "no HDU B_WAVELENGTH: arm b is incomplete"),
        ("coadd", _truncate, "truncated in HDU"),
        ("coadd", _shift_grid, "R_WAVELENGTH is not DESI's grid"),
        ("coadd", _garble, "unreadable FITS"),
        ("coadd", Path.unlink, "no such file"),
        ("qso_mgii", _truncate, "truncated in"),
        ("qso_qn", _garble, "unreadable FITS"),
    ],
)
def test_bad_file_fails_its_shard_only(
    copy: Path, tmp_path: Path, qad: Run, kind, spoil, message
) -> None:  # type: ignore[no-untyped-def]
    coadd, root = _coadd(copy), tmp_path / "root"
    shard = coadd.stem.removeprefix("coadd-")
    spoil(coadd.with_name(coadd.name.replace("coadd", kind)))
    done = qad("extract", "--source", copy, "--root", root)
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line for line in done.stderr.splitlines() if line.strip().startswith("failed:")]
    assert len(failed) == 1
    assert shard in failed[0]
    assert message in failed[0]
    assert "Traceback" not in done.stderr
    assert len(list(root.glob("lake/coadds/*/*/*.parquet"))) == 2
    told = qad("status", "--root", root, "--failed")
    assert shard in told.stdout
    assert message in told.stdout


def test_failed_shard_stops_the_release_or_is_left_out_and_counted(
    copy: Path, tmp_path: Path, qad: Run
) -> None:
    root = tmp_path / "root"
    _truncate(_coadd(copy))
    refused = qad(*run_arguments(copy, root))
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("error: release 0.1.0 is not built")
    assert len(list(root.glob("lake/scores/*/*/*.parquet"))) == 2
    assert not (root / "releases" / "0.1.0").exists()
    done = qad(*run_arguments(copy, root, release__accept_failed_shards="true"))
    assert done.returncode == 1, done.stderr
    checked = qad("release", "validate", root / "releases" / "0.1.0")
    assert checked.returncode == 0, checked.stdout
    readme = (root / "releases" / "0.1.0" / "README.md").read_text()
    assert "shard_failed" in readme


def test_nan_flux_is_a_bad_pixel_and_is_told(copy: Path, tmp_path: Path, qad: Run) -> None:
    coadd = _coadd(copy)
    with fits.open(coadd, mode="update") as hdus:
        hdus["B_FLUX"].data[:, 100:110] = np.nan
        hdus["Z_IVAR"].data[0, 5] = np.inf
    done = qad("extract", "--source", copy, "--root", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stdout.splitlines() if "note:" in line]
    assert len(notes) == 1
    assert "not finite" in notes[0]
    assert coadd.name in notes[0]


def test_target_that_its_pixel_file_lacks_is_counted(copy: Path, tmp_path: Path, qad: Run) -> None:
    root = tmp_path / "root"
    (catalogue,) = copy.glob("spectro/redux/iron/zcatalog/v1/*.fits")
    with fits.open(catalogue, mode="update") as hdus:
        rows = hdus["ZCATALOG"].data
        is_core = (rows["SPECTYPE"] == "QSO") & (rows["ZWARN"] == 0) & rows["ZCAT_PRIMARY"]
        is_core &= np.isin(rows["COADD_FIBERSTATUS"], (0, 8))
        rows["TARGETID"][np.flatnonzero(is_core)[0]] += 1 << 50
    done = qad(*run_arguments(copy, root))
    assert done.returncode == 0, done.stderr
    assert "not_in_coadd 1" in done.stdout
    release = root / "releases" / "0.1.0"
    assert "| extract | `not_in_coadd` | 1 |" in (release / "README.md").read_text()
    assert qad("release", "validate", release).returncode == 0


def test_absent_afterburner_is_a_note(copy: Path, tmp_path: Path, qad: Run) -> None:
    coadd = _coadd(copy)
    coadd.with_name(coadd.name.replace("coadd", "qso_qn")).unlink()
    done = qad("adopt", "--source", copy, "--root", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    [note] = [line for line in done.stdout.splitlines() if "note:" in line]
    assert note.endswith("no qso_qn file: its word is missing")


def test_redrock_without_a_target_counts_it(copy: Path, tmp_path: Path, qad: Run) -> None:
    (catalogue,) = copy.glob("spectro/redux/iron/zcatalog/v1/*.fits")
    catalogue.unlink()
    redrock = _coadd(copy).with_name(_coadd(copy).name.replace("coadd", "redrock"))
    with fits.open(redrock) as hdus:
        for name in ("REDSHIFTS", "FIBERMAP", "TSNR2"):
            hdus[name] = fits.BinTableHDU(hdus[name].data[1:], hdus[name].header)
        hdus.writeto(redrock, overwrite=True)
    done = qad("target", "--source", copy, "--root", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    assert "no_redshift 1" in done.stdout


def _call_user_errors(tmp_path: Path, survey: Path) -> dict[str, tuple[list[str], str]]:
    empty = tmp_path / "empty"
    empty.mkdir()
    config = tmp_path / "run.toml"
    config.write_text("[train]\nlatnt = 4\n")
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    good = run_arguments(survey, tmp_path / "root")
    return {
        "empty source": (run_arguments(empty, tmp_path / "root"), "give the folder that holds"),
        "no source": (run_arguments(tmp_path / "none", tmp_path / "root"), "no such folder"),
        "unknown key": ([*good, "--config", str(config)], "did you mean 'latent'?"),
        "unknown section": ([*good, "--set", "trian.latent=4"], "did you mean 'train'?"),
        "wrong type": ([*good, "--set", "train.latent=many"], "valid integer"),
        "no version": (["run", "--source", str(survey)], "--version"),
        "bad version": ([*good, "--version", "one"], "X.Y.Z"),
        "root is a file": (run_arguments(survey, in_the_way / "root"), "cannot write"),
        "no release": (["release", "validate", str(empty)], "is no release"),
    }


def test_user_errors_are_one_line_and_exit_2(survey: Path, tmp_path: Path, qad: Run) -> None:
    for case, (words, message) in _call_user_errors(tmp_path, survey).items():
        done = qad(*words)
        assert done.returncode == 2, case
        assert message in done.stderr, (case, done.stderr)
        assert "Traceback" not in done.stderr, case


@pytest.fixture
def small_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Mount a file system of 3 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs privileges")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_full_disk_ends_the_run_and_more_space_resumes_it(
    survey: Path, small_disk: Path, qad: Run
) -> None:
    root = small_disk / "root"
    done = qad(*run_arguments(survey, root))
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(root.rglob("*.tmp"))
    grown = ["mount", "-o", "remount,size=500m", str(small_disk)]
    assert subprocess.run(grown, check=False).returncode == 0
    assert qad(*run_arguments(survey, root)).returncode == 0


def test_read_only_root_is_one_line(survey: Path, small_disk: Path, qad: Run) -> None:
    if subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False).returncode:
        pytest.skip("cannot remount read-only")
    done = qad(*run_arguments(survey, small_disk / "root"))
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_arm_in_a_real_file_is_named(qad: Run, tmp_path: Path, finished: Path) -> None:
    real = Path(__file__).parents[3] / "shared" / "data" / "desi"
    if not real.is_dir():
        pytest.skip("the shared test data are not beside the project")
    bad = tmp_path / "coadd-main-dark-9144.fits"
    shutil.copy(real / "badformat-spectra-main-dark-9144.fits", bad)
    [model] = finished.glob("models/*/model.json")
    done = qad("score", "--model", model.parent, "--source", bad, "--root", tmp_path / "root")
    assert done.returncode == 1
    assert "no HDU B_WAVELENGTH: arm b is incomplete" in done.stderr
