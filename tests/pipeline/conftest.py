"""A small mock survey and an S3 server, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import s3_endpoint

from pipeline.mock.survey import make_survey


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tree of a mock survey with two shards; copy it before changing it."""
    tree = tmp_path_factory.mktemp("small") / "survey"
    make_survey(tree, n_quasars=30, n_pixels=2, seed=1)
    return tree


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of an S3 server on the loopback interface."""
    with s3_endpoint() as address:
        yield address
