"""The graded rows as VOTable 1.4 (BINARY2), with units, UCDs and descriptions inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release.faces.astropy_table import accepting_desi_units, read_graded, select
from release.faces.face import Face, Manifest
from release.manifest import find_kind, read_kind

FILE = "vo/anomalies.vot"
_FRAME = "icrs"


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``vo/anomalies.vot``: every column of the graded rows."""
    table = find_kind(manifest).main_table
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import CooSys

    (folder / FILE).parent.mkdir(exist_ok=True)
    with accepting_desi_units():
        votable = from_table(read_graded(folder, table.columns), table_id="anomalies")
        votable.version = "1.4"
        votable.description = f"{manifest['title']}, release {manifest['version']}"
        votable.resources[0].coordinate_systems.append(CooSys(ID=_FRAME, system="ICRS"))
        for field in votable.iter_fields_and_params():
            if field.ucd.startswith("pos.eq."):
                field.ref = _FRAME
        votable.to_xml(str(folder / FILE), tabledata_format="binary2")


def read_back(folder: Path) -> Mapping[str, Any]:
    """Return every column of the rows."""
    table = read_kind(folder).main_table
    from astropy.io.votable import parse_single_table

    with accepting_desi_units():
        return select(parse_single_table(folder / FILE).to_table(), table.columns)


FACE = Face(
    name="votable",
    files=(FILE,),
    paragraph="The graded rows as VOTable with units and UCDs, for TOPCAT and others.",
    write=write,
    read_back=read_back,
    media_types={".vot": "application/x-votable+xml"},
)
