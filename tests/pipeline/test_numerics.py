"""Threads and instruction set: what decides the last bits is fixed, or named."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.numerics import find_instruction_set, limit_threads


def run_python(code: str, **variables: str) -> dict:
    """Return what a new process prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json\n{code}"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def count_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info()} | {torch.get_num_threads()}


def test_threads_are_limited_in_the_block_and_as_before_after_it() -> None:
    with threadpool_limits(2):
        torch.set_num_threads(2)
        with limit_threads():
            assert count_threads() == {1}
            with limit_threads(3):
                assert count_threads() == {3}
                assert os.environ["OMP_NUM_THREADS"] == "3"
            assert count_threads() == {1}
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), limit_threads():
            raise RuntimeError
        assert count_threads() == {2}


def test_libraries_loaded_in_the_block_are_limited_too() -> None:
    code = (
        "from pipeline.numerics import limit_threads\n"
        "from threadpoolctl import threadpool_info\n"
        "with limit_threads():\n"
        "    import numpy, scipy.linalg, sklearn.cluster, torch\n"
        "    found = {k['filepath']: k['num_threads'] for k in threadpool_info()}\n"
        "    print(json.dumps(found | {'torch': torch.get_num_threads()}))"
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    found = run_python(code, **dict.fromkeys(names, "3"))
    assert len(found) >= 4
    assert set(found.values()) == {1}


def test_instruction_set_names_what_is_used_and_not_what_is_there() -> None:
    here = find_instruction_set()
    assert here == find_instruction_set()
    assert here["torch"].startswith(torch.__version__)
    assert all(here[name] for name in ("machine", "vendor", "openblas"))
    code = (
        "from pipeline.numerics import find_instruction_set\n"
        "print(json.dumps(find_instruction_set()))"
    )
    lowered = run_python(code, ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    assert lowered["torch"].endswith("DEFAULT") or lowered["torch"].endswith("NO AVX")
    assert lowered["ONEDNN_MAX_CPU_ISA"] == "SSE41"
    assert np.array_equal(sorted({*lowered} - {"ONEDNN_MAX_CPU_ISA"}), sorted(here))
