"""Spectra of other surveys under a finished model: those that belong are graded, others told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def score(finished: Path, qad: Run):
    """Score a source with the model of the mock survey; return rows and what was told."""
    [card] = finished.glob("models/*/model.json")

    def run(source: Path, *more: object) -> tuple[pa.Table, str]:
        done = qad("score", "--model", card.parent, "--source", source, "--root", finished, *more)
        assert done.returncode == 0, done.stderr
        rows = pq.read_table(Path(done.stdout.split("results")[1].strip()))
        told = rows.schema.metadata[b"calibration"].decode()
        assert all(note in done.stdout for note in told.split("; ")[:1])
        return rows, told

    return run


def test_another_survey_of_the_same_kind_belongs(score, tmp_path: Path, qad: Run) -> None:
    tree = tmp_path / "tree"
    qad("mock", "--quasars", "90", "--pixels", "3", "--seed", "6", "--to", tree)
    rows, told = score(tree)
    assert told.startswith("calibration as expected")
    assert rows["domain_reason"].null_count >= rows.num_rows - 1
    assert rows["q_value"].null_count <= 1 + rows["finding_p_value"].null_count


def test_real_quasars_do_not_belong_to_the_mock_survey(score, real_data: Path) -> None:
    rows, told = score(
        real_data / "desi" / "coadd-1-80693-thru20210204.fits",
        "--redshifts",
        real_data / "desi" / "QSO_cat_fuji_dark_healpix.fits.gz",
    )
    assert rows.num_rows == 5
    assert set(rows["tier"].to_pylist()) == {"none"}
    assert rows["domain_reason"].null_count == 0
    assert rows["q_value"].null_count == 5
    assert "no tier is given" in told
    assert "Kolmogorov-Smirnov distance from the population: log_snr" in told


def test_another_generator_s_quasars_do_not_belong_either(score, real_data: Path) -> None:
    rows, told = score(real_data / "survey")
    assert rows.num_rows > 300
    assert told.startswith("calibration does not hold: unlike the model's population in ")
    assert rows["domain_reason"].null_count == 0
    assert set(rows["tier"].to_pylist()) == {"none"}
