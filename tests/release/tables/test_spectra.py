"""The published spectra: of whom, in which order, and read back by object."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_lake import DARK, EAST, REPEAT

from catalog_schema.contents import SPECTRA
from catalog_schema.tables import COADDS, RECONSTRUCTIONS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.store import Store
from release.build import build
from release.tables.spectra import read_spectra

SPECTRUM_COLUMNS = {"coadds": ("flux", "ivar", "mask"), "reconstructions": ("model",)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(st.data())
def test_spectra_come_in_the_order_asked_for(released: Path, data: st.DataObject) -> None:
    rows = pq.read_table(released / SPECTRA, columns=["TARGETID", "flux"])
    known = dict(zip(rows["TARGETID"].to_pylist(), rows["flux"].to_pylist(), strict=True))
    wanted = data.draw(st.lists(st.sampled_from([*known, 1, 2]), unique=True, max_size=9))
    found = read_spectra(released, wanted, ["flux"])
    assert found["TARGETID"].to_pylist() == [i for i in wanted if i in known]
    assert found["flux"].to_pylist() == [known[i] for i in wanted if i in known]


def test_published_object_without_a_coadd_is_refused(store: Store, config: Config) -> None:
    path = store.lake.shard("coadds", EAST)
    store.write(path, store.read(path).slice(0, 1), COADDS, fingerprint="", n_expected=0, n_made=0)
    with pytest.raises(UserError, match="published objects have no coadd"):
        build(store, config, "0.1.0")


def test_spectra_come_from_the_right_rows(store: Store, released: Path) -> None:
    spectra = pq.read_table(released / "spectra" / "spectra.parquet")
    ids = spectra["TARGETID"].to_pylist()
    assert ids == sorted(ids)
    published = {row["TARGETID"]: row for row in spectra.to_pylist()}
    n_compared = 0
    for shard in (DARK, EAST, REPEAT):
        for name, columns in SPECTRUM_COLUMNS.items():
            for row in pq.read_table(store.lake.shard(name, shard)).to_pylist():
                one = published.get(row["TARGETID"], {})
                if one.get("SURVEY") == shard.survey:
                    assert all(row[column] == one[column] for column in columns)
                    n_compared += 1
    assert n_compared == 2 * len(published)


def test_graded_object_without_reconstruction_is_refused(store: Store, config: Config) -> None:
    path = store.lake.shard("reconstructions", EAST)
    empty = store.read(path).slice(0, 0)
    store.write(path, empty, RECONSTRUCTIONS, fingerprint="", n_expected=0, n_made=0)
    with pytest.raises(UserError, match="graded objects have no reconstruction"):
        build(store, config, "0.1.0")
