"""Damaged FITS files of every kind that is read: one line each, soon, or values."""

import gzip
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from fits_kinds import KINDS
from mutations import mutate

from pipeline.errors import QadError

# More of them, each in a process of its own with bounded memory: benchmarks/fuzz_inputs.py.
N_INPUTS = 60


@pytest.mark.parametrize("name", KINDS)
def test_damaged_file_is_one_line_or_values(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    path = kind.write(tmp_path)
    whole = path.read_bytes()
    kind.read(path)
    rng = np.random.default_rng(20_250_101)
    n_refused = 0
    for number in range(N_INPUTS):
        if kind.is_packed and number % 2:
            path.write_bytes(gzip.compress(mutate(gzip.decompress(whole), rng), 1))
        else:
            path.write_bytes(mutate(whole, rng))
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                kind.read(path)
        except QadError as error:
            n_refused += 1
            assert "\n" not in str(error)  # noqa: PT017
        assert time.monotonic() - start < 20
    assert n_refused > 0
