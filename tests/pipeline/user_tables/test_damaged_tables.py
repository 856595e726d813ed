"""Damaged tables of every kind that strangers hand over: values, or one line, and soon."""

import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from table_kinds import KINDS
from table_mutations import garble

from pipeline.errors import QadError

# More of them, each in a process of its own with bounded memory: benchmarks/fuzz_inputs.py.
N_INPUTS = 20


@pytest.mark.parametrize("name", KINDS)
def test_damaged_table_is_one_line_or_values(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    path = kind.write(tmp_path)
    whole = path.read_bytes()
    kind.read(path)
    n_refused = 0
    for number in range(N_INPUTS):
        path.write_bytes(garble(whole, np.random.default_rng([11, number])))
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kind.read(path)
        except QadError as error:
            n_refused += 1
            assert str(error).isprintable()  # noqa: PT017
        assert time.monotonic() - start < 20
    assert n_refused > 0
