"""What every test may use."""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

# Before a library reads them. The workers share the cores: threads that wait for one of theirs on a
# core that another worker has do nothing but spin.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_DATA = Path(__file__).parents[1].parent / "shared" / "data"

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)
# In CI nothing is absent that a test needs; these are for the system to grant.
_GRANTED = ("needs privileges", "cannot remount", "/dev/full")

settings.register_profile("project", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that no worker is left alone with one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test be left out in CI."""
    return _insist((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no file of tests be left out in CI."""
    return _insist((yield))


def _insist(report: _Report) -> _Report:
    """Make a failure in CI of what was skipped for want of a package, a program or data."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(grant in reason for grant in _GRANTED):
            report.outcome = "failed"
            report.longrepr = f"left out, and CI leaves nothing out: {reason}"
    return report


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Give the main module back: a page under test takes its place, a new process would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Folder that all workers of this run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of public DESI and SDSS files; it lies beside the project, not in it."""
    if not _DATA.is_dir():
        pytest.skip("no ../shared/data: the real spectra are not part of the project")
    return _DATA
