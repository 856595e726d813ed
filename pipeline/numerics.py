"""What decides the last bits of a number beside the input: threads and the instruction set.

Sums are made in an order that depends on the number of threads, and by kernels that libraries
choose by the processor. The first is fixed here, the second is named.
"""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits

# Read by the libraries when they are loaded.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Lower the instruction set of libraries that cannot be asked for it.
_LIMITS = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


@contextmanager
def limit_threads(n: int = 1) -> Iterator[None]:
    """Have OpenBLAS, OpenMP, MKL and torch compute on n threads, also those loaded in the block.

    Whatever the machine or its environment offer: equal input then gives equal bytes.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    # A library that is not loaded yet reads the variables, one that is would not look again.
    torch: Any = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else n
    os.environ.update(dict.fromkeys(_VARIABLES, str(n)))
    try:
        with threadpool_limits(n):
            if torch:
                torch.set_num_threads(n)
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(threads)


def find_instruction_set(device: str = "cpu") -> dict[str, str]:
    """Name what the libraries choose their kernels by; where it is equal, so are the bytes.

    Parameters
    ----------
    device : str
        Of torch, and there; a GPU is named too.

    Returns
    -------
    dict
        ``machine`` and ``vendor`` (by which MKL chooses), the extensions that ``numpy`` and
        ``torch`` use, the kernels of ``openblas``, and what the environment sets of the libraries
        that cannot be asked.
    """
    import scipy.linalg  # noqa: F401  (has an OpenBLAS of its own)
    import torch
    from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched
    from numpy._core._multiarray_umath import __cpu_features__ as features

    kernels = {
        str(found.get("architecture"))
        for found in threadpool_info()
        if found["internal_api"] == "openblas"
    }
    named = {
        "machine": platform.machine(),
        "vendor": _find_vendor(),
        "numpy": " ".join(name for name in dispatched if features[name]),
        "openblas": " ".join(sorted(kernels)),
        "torch": f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()}",
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        named["gpu"] = torch.cuda.get_device_name(device)
    return named | {name: os.environ[name] for name in _LIMITS if os.environ.get(name)}


def _find_vendor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("vendor_id"):
                return line.partition(":")[2].strip()
    return platform.processor()
