"""What every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

_DATA = Path(__file__).parents[1].parent / "shared" / "data"

settings.register_profile("project", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that no worker is left alone with one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
