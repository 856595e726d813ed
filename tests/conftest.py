"""What every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

_DATA = Path(__file__).parents[1].parent / "shared" / "data"

settings.register_profile("project", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of public DESI and SDSS files; it lies beside the project, not in it."""
    if not _DATA.is_dir():
        pytest.skip("no ../shared/data: the real spectra are not part of the project")
    return _DATA
