"""Every face of a release, in the order in which they are made and in which the README has them."""

from catalog_schema.kind import Kind
from release.faces import (
    cds,
    descriptions,
    ecsv,
    fits,
    footprint,
    hats_collection,
    hats_spectra,
    report,
    site,
    votable,
)
from release.faces.face import Face

FACES: tuple[Face, ...] = (
    hats_collection.FACE,
    hats_spectra.FACE,
    votable.FACE,
    fits.FACE,
    ecsv.FACE,
    cds.FACE,
    footprint.FACE,
    report.FACE,
    site.FACE,
    # The last, for it lists the files of all others.
    descriptions.FACE,
)


def list_faces(kind: Kind) -> tuple[Face, ...]:
    """Return the faces of releases of a kind of data: those whose tables it has."""
    return tuple(face for face in FACES if set(face.needs) <= set(kind.files))
