"""Make a release: join the lake's tables once and publish them with all that explains them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog_schema import contents
from catalog_schema.lock import render_schema
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.root import Root
from pipeline.lake.files import local_folder
from pipeline.lake.layout import MODEL_NULL
from pipeline.lake.store import Store
from pipeline.numerics import limit_threads
from release.changelog import write_changelog
from release.conservation import close_release
from release.credit import make_notes, make_title
from release.documents import write_documents
from release.faces.registry import list_faces
from release.inputs import Inputs, read_inputs
from release.manifest import MANIFEST, count_rows, make_manifest, read_manifest, write_json
from release.sealing import building
from release.tables.catalogue import open_lake
from release.tables.completeness import write_completeness
from release.tables.evidence import write_evidence
from release.tables.reviews import write_reviews
from release.tables.spectra import find_sampling, write_spectra
from release.tables.writer import write_whole

REVISION = 10


@dataclass(frozen=True)
class ReleaseReport:
    """What `build` made or found.

    Attributes
    ----------
    path : Path
    is_new : bool
        False when the same release was there already.
    counts : dict
        As in the manifest.
    """

    path: Path
    is_new: bool
    counts: dict[str, Any]


@limit_threads()
def build(store: Root, config: Config, version: str) -> ReleaseReport:
    """Build release `version` from the lake, whole or not at all.

    Parameters
    ----------
    store : Root
    config : Config
        The settings of the run; they are stored in the manifest.
    version : str
        X.Y.Z; a version never changes once it exists.

    Returns
    -------
    ReleaseReport

    Raises
    ------
    UserError
        If rows are unaccounted for, shards failed, the catalogue is empty, the version exists
        with other content, or it is too low for what changed since the previous one.
    """
    path = store.lake.release(version)
    inputs = read_inputs(store, config)
    fingerprint = inputs.fingerprint(REVISION)
    if path.exists():
        return ReleaseReport(path, False, _check_same(path, fingerprint)["counts"])
    with building(path) as partial:
        manifest = _fill(partial, store, config, inputs, version, fingerprint)
        write_changelog(partial, path, manifest)
        for face in list_faces(inputs.kind):
            face.write(partial, manifest)
        if read_inputs(store, config, inputs.reviews).fingerprint(REVISION) != fingerprint:
            raise UserError(f"{store.root} changed while the release was built; build it again")
    return ReleaseReport(path, True, manifest["counts"])


def _check_same(path: Path, fingerprint: str) -> dict[str, Any]:
    manifest = read_manifest(path)
    if manifest is None:
        raise UserError(f"{path} exists and is no release; move it away")
    if manifest["fingerprint"] != fingerprint:
        raise UserError(
            f"release {path.name} exists and was made from other data or settings; "
            "choose another --version"
        )
    return manifest


def _fill(
    folder: Path, store: Store, config: Config, inputs: Inputs, version: str, fingerprint: str
) -> dict[str, Any]:
    kind = inputs.kind
    notes = make_notes(make_title(config.release.title, kind), version, inputs.source)
    scratch = folder / ".scratch"
    scratch.mkdir()
    with open_lake(store, inputs, scratch) as lake:
        lake.check(config.grade)
        graded = lake.write(folder, notes)
        lake.write_significance(folder, notes)
        lake.write_evidence(folder, notes)
        lake.write_changes(folder, notes)
        catalogues = lake.write_matches(folder, notes)
        grades = lake.read_grades()
        outcomes = close_release(
            inputs.account, lake.count_by_shard("primaries"), lake.count_by_shard("controls")
        )
    sampling, n_spectra = None, None
    if contents.SPECTRA in kind.files:
        sampling = find_sampling(store, inputs.shards)
        n_spectra = write_spectra(
            folder / contents.SPECTRA, store, inputs.shards, grades, sampling, notes, scratch
        )
    shutil.rmtree(scratch)
    write_completeness(folder, outcomes, notes)
    n_population = _copy_calibration(folder, store, inputs, notes)
    levels = config.grade.levels
    counts = count_rows(inputs, outcomes, graded, levels, n_spectra) | {"population": n_population}
    counts["reviews"] = write_reviews(folder, kind, inputs.reviews, config.rank, notes)
    evidence = write_evidence(folder, kind, store, notes)
    manifest = make_manifest(version, config, inputs, fingerprint, counts, catalogues, sampling)
    write_json(folder / "schema" / "schema.json", render_schema(kind))
    write_json(folder / MANIFEST, manifest)
    write_documents(folder, manifest, outcomes, evidence)
    return manifest


def _copy_calibration(folder: Path, store: Store, inputs: Inputs, notes: dict[str, str]) -> int:
    """Publish the model and the population of its p-values; return the population's size."""
    (folder / "model").mkdir()
    with local_folder(store.lake.model(inputs.model_id)) as model:
        for name in inputs.model:
            shutil.copyfile(model / name, folder / "model" / name)
    null = store.read(folder / "model" / MODEL_NULL)
    write_whole(folder / contents.NULL, inputs.kind["null"], null, notes)
    return int(null.num_rows)
