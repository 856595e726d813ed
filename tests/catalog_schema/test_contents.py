"""Files of a release: a table each, below one folder."""

from pathlib import PurePosixPath

from catalog_schema import contents
from catalog_schema.kinds import KINDS

PATHS = [contents.ANOMALIES, *contents.TABLES]


def test_a_file_is_of_one_table_and_a_table_in_one_file() -> None:
    assert len(set(PATHS)) == len(PATHS)
    assert len(set(contents.TABLES.values())) == len(contents.TABLES)
    # A view is called as its file is.
    assert len({PurePosixPath(path).stem for path in PATHS}) == len(PATHS)


def test_paths_are_below_the_release_and_parquet() -> None:
    for path in (*PATHS, contents.name_list("pebbles")):
        parsed = PurePosixPath(path)
        assert not parsed.is_absolute()
        assert (len(parsed.parts), parsed.suffix) == (2, ".parquet")
        assert str(parsed) == path


def test_every_constant_of_a_path_is_in_the_list() -> None:
    stated = {
        value
        for name, value in vars(contents).items()
        if name.isupper() and isinstance(value, str) and value.endswith(".parquet")
    }
    assert stated == set(PATHS)


def test_the_main_file_is_called_as_its_table() -> None:
    for kind in KINDS.values():
        assert PurePosixPath(kind.main_file).stem == (kind.file or kind.main)
        assert kind.main_file not in PATHS
        sorted_by = [word.split()[0] for word in contents.STRANGEST_FIRST.split(", ")]
        assert set(sorted_by) <= set(kind[kind.main].names)
