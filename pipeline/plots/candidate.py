"""One object with its spectrum: from a release, or from the lake where none is published."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog_schema.contents import SPECTRA
from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from catalog_schema.kinds import find_kind
from catalog_schema.waist import ROW_KEY, SHARD_KEY
from pipeline.errors import DataError, UserError, first_line
from pipeline.flow.root import open_existing_root
from pipeline.lake.files import exists
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.spectra.sampled import get_sampling

_MANIFEST = "manifest.json"
_OBSERVED = ("flux", "ivar", "mask")
# Tables of the lake with a row for each object, in the order in which they are asked for it.
_LISTS = ("significance", "candidates")
_SAID = ("anomaly_class", "tier", "finding_p_value", "p_value")
# Which table of the lake says what; with a finished model `judged` has the classes.
_SAID_BY = {
    "significance": ["p_value"],
    "judged": ["anomaly_class"],
    "classes": ["anomaly_class"],
    "tiers": ["tier", "finding_p_value"],
}


@dataclass(frozen=True)
class Candidate:
    """An object, what is said of it, and its spectrum.

    Attributes
    ----------
    targetid : int
    origin : str
        Where the spectrum comes from, e.g. "release 1.0.0".
    z : float or None
    anomaly_class, tier : str or None
        None where nothing says.
    p_value : float or None
        That on which the tier rests, or else that of the score.
    sampling : Sampling
    flux, ivar : ndarray of float32, shape (p,)
        1e-17 erg/s/cm²/Å; ivar = 0 marks a bad pixel.
    mask : ndarray of int32, shape (p,)
    model : ndarray of float32, shape (p,)
        Reconstruction; NaN where there is none.
    """

    targetid: int
    origin: str
    z: float | None
    anomaly_class: str | None
    tier: str | None
    p_value: float | None
    sampling: Sampling
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    mask: NDArray[np.int32]
    model: NDArray[np.float32]


def find_candidate(place: Path, targetid: int, version: str | None = None) -> Candidate:
    """Find an object.

    Parameters
    ----------
    place : Path
        A release, or a data root: its newest release, and its lake for what that does not
        publish. Of several observations in a lake the first by survey and program is taken.
    targetid : int
    version : str, optional
        Release of the data root, X.Y.Z.

    Raises
    ------
    UserError
        If there is no such place, version or object, or no spectrum of it.
    DataError
        If a file is damaged.
    """
    if (place / _MANIFEST).is_file():
        found, row = _find_published(place, targetid)
        if found is None:
            raise UserError(
                f"{place}: {_tell(targetid, row)}; give the data root, whose lake may have its "
                "spectrum"
            )
        return found
    store = open_existing_root(place)
    release = _choose_release(store, version)
    row = None
    if release:
        found, row = _find_published(release, targetid)
        if found:
            return found
    kept = _find_in_lake(store, targetid, row or {})
    if kept is None:
        where = f"release {release.name} or the lake of {place}" if release else f"{place}"
        if row:
            raise UserError(f"{where}: {_tell(targetid, row)}")
        raise UserError(f"{where}: no object has TARGETID {targetid}")
    return kept


def _tell(targetid: int, row: dict[str, Any] | None) -> str:
    if row is None:
        return f"no object has TARGETID {targetid}"
    return f"no spectrum of TARGETID {targetid} is published"


def _choose_release(store: Store, version: str | None) -> Path | None:
    if version is None:
        return store.lake.releases[-1] if store.lake.releases else None
    release = store.lake.release(version)
    if not (release / _MANIFEST).is_file():
        there = ", ".join(path.name for path in store.lake.releases) or "none"
        raise UserError(f"{store.root}: no release {version}; there: {there}")
    return release


def _find_published(release: Path, targetid: int) -> tuple[Candidate | None, dict[str, Any] | None]:
    """Return an object of a release and its row of the list; None for what is not there."""
    is_wanted = pc.field("TARGETID") == targetid
    path = release / _MANIFEST
    try:
        manifest = json.loads(path.read_text())
        path = release / find_kind(manifest).main_file
        names = [n for n in ("Z", *_SAID) if n in pq.read_schema(path).names]
        rows = pq.read_table(path, columns=names, filters=is_wanted).to_pylist()
        path = release / SPECTRA
        spectra = pq.read_table(path, columns=[*_OBSERVED, "model"], filters=is_wanted)
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({first_line(error)})") from None
    row = rows[0] if rows else None
    if not spectra.num_rows:
        return None, row
    told = manifest.get("sampling")
    sampling = Sampling.from_json(told) if told else SAMPLING
    origin = f"release {manifest.get('version', release.name)}"
    return _make(targetid, origin, row or {}, sampling, spectra), row


def _find_in_lake(store: Store, targetid: int, said: dict[str, Any]) -> Candidate | None:
    """Return an object of the lake; what the release says of it goes before."""
    for key in _list_keys(store, targetid):
        shard = Shard(*(key[name] for name in SHARD_KEY))
        spectra = _read_row(store, store.lake.shard("coadds", shard), targetid)
        if spectra is None:
            continue
        model = _read_row(store, store.lake.shard("reconstructions", shard), targetid, ["model"])
        target = _read_row(store, store.lake.shard("targets", shard), targetid, ["Z"])
        row = target.to_pylist()[0] if target else {}
        row |= _read_said(store, key) | said
        sampling = get_sampling(spectra)
        unknown = pa.array([[float("nan")] * sampling.grid.size])
        values = model["model"] if model else unknown
        whole = spectra.select(_OBSERVED).append_column("model", values)
        return _make(targetid, f"the lake, {shard}", row, sampling, whole)
    return None


def _list_keys(store: Store, targetid: int) -> list[dict[str, Any]]:
    """List the observations of an object, in order."""
    for name in _LISTS:
        path = store.lake.table(name)
        if exists(path):
            rows = store.read(path, [*ROW_KEY])
            found = rows.filter(pc.field("TARGETID") == targetid)
            if found.num_rows:
                return list(found.sort_by([(key, "ascending") for key in ROW_KEY]).to_pylist())
    return []


def _read_said(store: Store, key: dict[str, Any]) -> dict[str, Any]:
    """Return what the tables of the whole survey say of an observation, as far as they do."""
    said: dict[str, Any] = {}
    for name, columns in _SAID_BY.items():
        path = store.lake.table(name)
        if exists(path):
            rows = store.read(path, [*ROW_KEY, *columns])
            for part in ROW_KEY:
                rows = rows.filter(pc.field(part) == key[part])
            said |= rows.select(columns).to_pylist()[0] if rows.num_rows else {}
    return said


def _read_row(
    store: Store, path: Path, targetid: int, columns: list[str] | None = None
) -> pa.Table | None:
    """Return an object's row of a shard; None where there is none, or no such file."""
    if not exists(path):
        return None
    rows = store.read(path, None if columns is None else ["TARGETID", *columns])
    found = rows.filter(pc.field("TARGETID") == targetid).slice(0, 1)
    return found if found.num_rows else None


def _make(
    targetid: int, origin: str, row: dict[str, Any], sampling: Sampling, spectra: pa.Table
) -> Candidate:
    values = {
        name: np.asarray(spectra[name].combine_chunks().slice(0, 1).flatten())
        for name in (*_OBSERVED, "model")
    }
    if any(len(array) != sampling.grid.size for array in values.values()):
        raise DataError(f"{origin}: TARGETID {targetid} is not of {sampling.grid.size} pixels")
    p_value = row.get("finding_p_value")
    return Candidate(
        targetid,
        origin,
        row.get("Z"),
        row.get("anomaly_class"),
        row.get("tier"),
        row.get("p_value") if p_value is None else p_value,
        sampling,
        **values,
    )
