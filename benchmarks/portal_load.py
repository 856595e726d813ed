"""What the portal bears: heavy requests at once, and the wait for its word that it lives.

    python benchmarks/portal_load.py RELEASE

Prints the wait for /healthz while 42 clients ask for VOTables of 100,000 rows of 60 values, beside
the wait without any, and the CPU seconds that a VOTable takes here and by astropy.
"""

import io
import sys
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pyarrow as pa
from astropy.io.votable import from_table, writeto
from astropy.table import Table
from portal_serving import serve

from portal.export import formats

N_CLIENTS, N_ROWS, N_COLUMNS, N_ROWS_OF_PEER = 42, 100_000, 60, 5_000
HEAVY = f"SELECT {', '.join(f'random() AS c{i}' for i in range(N_COLUMNS))} FROM range({N_ROWS})"


def main(release: str) -> None:
    """Measure and print."""
    report_votable()
    # Each request may speak for a client of its own.
    with serve(Path(release), "--behind-proxy") as (address, _):
        measure_health(address)
        alone = measure_health(address, n=100)
        # In a process of their own: they would keep the interpreter from who asks for health.
        with ProcessPoolExecutor(1) as pool:
            asked = pool.submit(ask_all, address)
            beside = measure_health(address, asked)
        states = asked.result()
    print(f"{N_CLIENTS} clients: {', '.join(f'{n} x {state}' for state, n in states.items())}")
    for name, waits in (("alone", alone), ("beside them", beside)):
        middle, worst = np.median(waits), max(waits)
        print(f"/healthz {name:12}{1e3 * middle:8.1f} ms median{1e3 * worst:8.1f} ms at most")


def report_votable() -> None:
    """Print CPU seconds for all rows; astropy's from fewer of them, in proportion."""
    rng = np.random.default_rng(20)
    rows = pa.table({f"c{i}": rng.normal(size=N_ROWS) for i in range(N_COLUMNS)})
    few = rows.slice(0, N_ROWS_OF_PEER)
    table = Table({name: few[name].to_numpy() for name in few.column_names})
    began = time.process_time()
    formats.write(rows, formats.VOTABLE)
    ours = time.process_time() - began
    began = time.process_time()
    writeto(from_table(table), io.BytesIO())
    theirs = (time.process_time() - began) * N_ROWS / N_ROWS_OF_PEER
    print(
        f"VOTable of {N_ROWS:,} x {N_COLUMNS}: {ours:.1f} s of CPU, astropy {theirs:.0f} s, "
        f"{theirs / ours:.0f} of ours"
    )


def measure_health(
    address: str, beside: Future[Counter[int]] | None = None, n: int = 1
) -> list[float]:
    """Return the seconds of each question, as long as anything is asked, at least so many."""
    waits: list[float] = []
    while len(waits) < n or (beside and not beside.done()):
        began = time.perf_counter()
        with urlopen(f"{address}/healthz", timeout=60):
            waits.append(time.perf_counter() - began)
        time.sleep(0.02)
    return waits


def ask_all(address: str) -> Counter[int]:
    """Count the statuses of heavy requests that all clients make at once."""
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        return Counter(pool.map(partial(ask, address), range(N_CLIENTS)))


def ask(address: str, client: int) -> int:
    """Return the status of one heavy request."""
    question = f"{address}/api/query?{urlencode({'sql': HEAVY, 'format': 'votable'})}"
    try:
        speaker = {"X-Forwarded-For": f"10.0.0.{client}"}
        with urlopen(Request(question, headers=speaker), timeout=300) as answer:
            while answer.read(1 << 20):
                pass
            return int(answer.status)
    except HTTPError as fault:
        return fault.code


if __name__ == "__main__":
    main(sys.argv[1])
