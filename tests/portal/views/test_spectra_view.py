"""What the pages show of a spectrum, with and without what a release may lack."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from portal_release import row_id
from streamlit.testing.v1 import AppTest

from portal.data.releases import SPECTRA_KIND
from portal.views.spectra_view import MAX_SMOOTHING, N_NORMALS, SPECTRA


@pytest.fixture
def app(release: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return open_page(monkeypatch, release, "object", targetid=str(row_id(4)))


def test_the_kind_is_that_of_releases_that_name_none() -> None:
    assert SPECTRA.kind == SPECTRA_KIND
    assert "autoencoder" in SPECTRA.method


def test_widgets_change_the_view_and_draw_no_fault(app: AppTest) -> None:
    for change in (
        lambda: app.slider(key="smoothing").set_value(MAX_SMOOTHING),
        lambda: app.toggle(key="full").set_value(True),
        lambda: app.toggle(key="normals").set_value(True),
        lambda: app.slider(key=f"trial-{row_id(4)}").set_value(0.0),
    ):
        change().run()
        assert not app.exception
        assert not app.error
        assert "pixels are good" in written(app)


def test_the_trial_redshift_begins_at_the_catalogues(app: AppTest, release: Path) -> None:
    z = pq.read_table(release / "catalog/quasars.parquet", columns=["Z"])["Z"][4].as_py()
    assert app.slider(key=f"trial-{row_id(4)}").value == pytest.approx(z)


def test_reference_is_as_large_as_the_release_has_it(app: AppTest) -> None:
    assert "The 50 reference spectra nearest" in written(app)
    assert N_NORMALS == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spectra/spectra", "No spectrum is published"),
        ("calibration/null", "`calibration/null.parquet` is not part of this release"),
    ],
)
def test_what_the_release_does_without_is_said(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (own_release / f"{name}.parquet").unlink()
    app = open_page(monkeypatch, own_release, "object", targetid=str(row_id(4)))
    assert said in written(app)
    assert not app.error


def test_without_departures_nothing_is_said_to_stand_out(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["departures", "emission_wave"]), path)
    app = open_page(monkeypatch, own_release, "object", targetid=str(row_id(4)))
    assert "This release does not say." in written(app)
    assert not app.error
