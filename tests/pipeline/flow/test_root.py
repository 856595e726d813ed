"""A data root: one writer at a time, and faults of the disk in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from gate_datasets import MADE, make_gates

from catalog_schema.tables import GATES
from pipeline.errors import UserError
from pipeline.flow.root import Root

_HOLD = """
import sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.flow.root import Root
try:
    with Root(Path(sys.argv[1])).lock():
        print("held")
except UserError as error:
    print(error)
"""


def test_lock_refuses_a_second_process(store: Root) -> None:
    command = [sys.executable, "-c", _HOLD, str(store.root)]
    with store.lock():
        second = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert "another qad process" in second.stdout
    with store.lock():
        pass


def test_lock_clears_what_a_killed_process_left(store: Root) -> None:
    rows = store.lake.table("gates")
    store.write(rows, make_gates(), GATES, **MADE)
    stale = rows.with_name(f".{rows.name}.tmp")
    stale.write_text("half")
    with store.lock():
        assert not stale.exists()
        assert rows.exists()


def test_lock_is_free_after_a_fault(store: Root) -> None:
    with pytest.raises(RuntimeError), store.lock():
        raise RuntimeError
    with store.lock():
        pass


def test_read_only_root_is_one_line(unwritable: Path) -> None:
    store = Root(unwritable / "root")
    with pytest.raises(UserError, match="Permission denied") as caught, store.lock():
        pass
    assert "\n" not in str(caught.value)


def test_root_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Root(tmp_path / "file" / "root")
    with pytest.raises(UserError, match="cannot write"), store.lock():
        pass
