"""Every face, whatever it is: it gives its rows back, and its check finds any row that is not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from graded_rows import NULLABLE_TEXT, draw_rows

from catalog_schema import kinds
from catalog_schema.contents import ANOMALIES
from release.checks.face_checks import is_same, list_checks
from release.documents import list_others
from release.faces import registry
from release.faces.face import Face
from release.faces.registry import FACES
from release.manifest import read_json
from release.sealing import CHECKSUMS, list_files

FILES = kinds.SPECTRA.files

READ = [face for face in FACES if face.read_back]
each_face = pytest.mark.parametrize("face", READ, ids=lambda face: face.name)


def put(folder: Path, rows: pa.Table) -> None:
    (folder / ANOMALIES).unlink(missing_ok=True)
    pq.write_table(rows, folder / ANOMALIES)


def make_bare(released: Path, folder: Path, rows: pa.Table) -> Path:
    """Make a release of these graded rows without any face."""
    (folder / "catalog").mkdir(parents=True)
    for file in (released / "catalog").iterdir():
        (folder / "catalog" / file.name).symlink_to(file)
    for name in ("spectra", "manifest.json"):
        (folder / name).symlink_to(released / name)
    put(folder, rows)
    return folder


def find_faults(face: Face, folder: Path) -> list[str]:
    check, targets = list_checks(kinds.SPECTRA)["same_rows"]
    assert face.files[0] in targets
    return check(folder, face.files[0])


@pytest.fixture
def graded(released: Path) -> pa.Table:
    return pq.read_table(released / ANOMALIES)


@each_face
@pytest.mark.parametrize(("seed", "n_rows"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (5, 3)])
def test_rows_of_any_value_come_back(
    face: Face, released: Path, graded: pa.Table, tmp_path: Path, seed: int, n_rows: int
) -> None:
    folder = make_bare(released, tmp_path / "bare", draw_rows(graded.slice(0, n_rows), seed))
    face.write(folder, read_json(released / "manifest.json"))
    assert find_faults(face, folder) == []


DAMAGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "missing": lambda rows: rows.slice(1),
    "missing at the end": lambda rows: rows.slice(0, rows.num_rows - 1),
    "repeated": lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
    "repeated in place of another": lambda rows: rows.take([1, 1, *range(2, rows.num_rows)]),
    "permuted": lambda rows: rows.take([1, 0, *range(2, rows.num_rows)]),
    "reversed": lambda rows: rows.take([*range(rows.num_rows)][::-1]),
    "another object": lambda rows: replace(rows, "TARGETID", rows["TARGETID"].to_numpy() + 1),
    "another value": lambda rows: replace(rows, "q_value", rows["q_value"].to_numpy() / 2),
    "all missing": lambda rows: rows.slice(0, 0),
}


def replace(rows: pa.Table, name: str, values: object) -> pa.Table:
    place, field = rows.column_names.index(name), rows.schema.field(name)
    return rows.set_column(place, field, pa.array(values, field.type))


@each_face
@pytest.mark.parametrize("damage", DAMAGES)
def test_face_of_other_rows_is_found(
    face: Face, released: Path, graded: pa.Table, tmp_path: Path, damage: str
) -> None:
    folder = make_bare(released, tmp_path / "bare", DAMAGES[damage](graded))
    face.write(folder, read_json(released / "manifest.json"))
    put(folder, graded)
    assert find_faults(face, folder)


def alter(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Change the first value: a text at its end, a number by a thousandth, null to something."""
    first, *others = values.to_pylist()
    if pa.types.is_string(values.type):
        first = f"{first or ''}x"
    elif pa.types.is_fixed_size_list(values.type):
        first = [*first[:-1], 0.5 if np.isnan(first[-1]) else first[-1] * 1.001 + 0.001]
    elif pa.types.is_integer(values.type):
        first = (first or 0) + 1
    else:
        first = (first or 0) * 1.001 + 0.001
    return pa.chunked_array([pa.array([first, *others], values.type)])


@each_face
def test_any_altered_value_of_any_column_is_found(
    face: Face, released: Path, graded: pa.Table
) -> None:
    assert face.read_back
    for name, found in face.read_back(released).items():
        assert is_same(found, face.spell(graded[name])), name
        assert not is_same(found, face.spell(alter(graded[name]))), name
        one_less = pa.chunked_array([graded[name].combine_chunks().slice(1)])
        assert not is_same(found, face.spell(one_less)), name


@each_face
def test_null_is_not_a_value(face: Face, released: Path, graded: pa.Table, tmp_path: Path) -> None:
    assert face.read_back
    empty = [
        pa.nulls(graded.num_rows, f.type) if f.nullable else graded[f.name] for f in graded.schema
    ]
    nothing = pa.table(empty, schema=graded.schema)
    folder = make_bare(released, tmp_path / "bare", nothing)
    face.write(folder, read_json(released / "manifest.json"))
    assert find_faults(face, folder) == []
    full = draw_rows(graded, 1, with_nulls=False)
    for name, found in face.read_back(folder).items():
        if graded.schema.field(name).nullable and name not in NULLABLE_TEXT:
            assert not is_same(found, face.spell(full[name])), name


@each_face
def test_missing_or_damaged_file_is_found(face: Face, released: Path) -> None:
    path = released / face.files[0]
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Exception, match=r".+"):
        assert find_faults(face, released) == []


def is_of(name: str, files: tuple[str, ...]) -> bool:
    return any(name == file or (file.endswith("/") and name.startswith(file)) for file in files)


def test_every_file_is_of_one_kind_and_in_the_readme(released: Path) -> None:
    kinds = [*((path,) for path in FILES), *(face.files for face in FACES), *list_others("spectra")]
    names = [*list_files(released), CHECKSUMS]
    text = (released / "README.md").read_text()
    for file in (file for files in kinds for file in files):
        assert f"`{file}`" in text
        assert any(is_of(name, (file,)) for name in names)
    for name in names:
        assert sum(is_of(name, files) for files in kinds) == 1, name


def test_every_module_with_a_face_is_in_the_registry() -> None:
    folder = Path(registry.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if "\nFACE = Face(" in path.read_text()}
    assert {face.write.__module__.rpartition(".")[2] for face in FACES} == modules
    assert len({face.name for face in FACES}) == len(FACES)


def test_two_faces_agree_on_media_types() -> None:
    said: dict[str, str] = {}
    for face in FACES:
        for ending, kind in face.media_types.items():
            assert said.setdefault(ending, kind) == kind


def test_a_face_is_read_back_or_says_why_not() -> None:
    for rest in ({}, {"read_back": lambda folder: {}, "not_read": "no rows"}):
        with pytest.raises(ValueError, match="face toy: read its rows back, or say why not"):
            Face("toy", ("toy.csv",), "A toy.", lambda folder, manifest: None, **rest)
