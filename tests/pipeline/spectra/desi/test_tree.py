"""Where the files of DESI's tree lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.layout import Shard
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.tree import HealpixTree
from pipeline.transport.sources import open_source

SHARD = Shard("sv3", "dark", 26065)


def test_desi_paths() -> None:
    tree = HealpixTree(open_source("dr1", AcquireSettings()))
    folder = "dr1/spectro/redux/iron"
    assert str(tree.file("coadd", SHARD)) == (
        f"{folder}/healpix/sv3/dark/260/26065/coadd-sv3-dark-26065.fits"
    )
    assert str(tree.redshift_catalogue) == f"{folder}/zcatalog/v1/zall-pix-iron.fits"


shards = st.builds(
    Shard,
    st.sampled_from(["main", "sv1", "sv3", "cmx"]),
    st.sampled_from(["dark", "bright", "backup", "other"]),
    st.integers(0, 49151),
)


@given(wanted=st.sets(shards, max_size=6))
def test_find_shards_inverts_file(tmp_path_factory: pytest.TempPathFactory, wanted: set) -> None:
    root = tmp_path_factory.mktemp("tree")
    tree = HealpixTree(open_source(str(root), AcquireSettings()))
    for shard in wanted:
        for kind in ("coadd", "redrock", "qso_mgii"):
            path = root / tree.file(kind, shard).path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        path.with_name(f"coadd-{shard}.fits.tmp").touch()
        path.with_name("coadd-notes.fits").touch()
    assert tree.find_shards("coadd") == sorted(wanted)
    assert tree.find_shards("qso_mgii") == sorted(wanted)
    assert tree.find_shards("qso_qn") == []
