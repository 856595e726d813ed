"""Measures the portal's pages in a real browser, and under many visitors at once.

Usage: python benchmarks/portal_pages.py [--rows 1600000] [--root FOLDER] [--repeats 10]
    [--visitors 50] [--seconds 60] [--pause 20]

Serves a synthetic release of survey size (`synthetic_release.py`) with `qad portal`. One Chromium
(Playwright; Debian's /usr/bin/chromium) does what a person does, each time with other parameters,
so that no answer is recalled; a time ends when the page's script has ended and what was asked for
stands on the page. Then so many visitors come at once over Streamlit's own websocket: each page is
opened afresh, which draws all of it; no browser renders what they receive. Wall-clock milliseconds.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from portal_visitors import visit
from synthetic_release import list_shown, write_catalogue, write_rest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 120_000
START_SECONDS = 300


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from portal.cli import portal; portal()"
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(root), "--port", str(port)], stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address)
        yield address, server
    finally:
        server.terminate()
        server.wait(10)


def wait_until_healthy(address: str) -> None:
    for _ in range(START_SECONDS):
        try:
            with urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"the portal did not start within {START_SECONDS} s")


class Meter:
    """Wall time, and CPU time of the server and of all processes of the browser, milliseconds."""

    def __init__(self, address: str, browser: Browser) -> None:
        self._metrics, self._session = f"{address}/metrics", browser.new_browser_cdp_session()

    def read(self) -> np.ndarray:
        """Return what has passed so far: wall, server, browser."""
        with urlopen(self._metrics, timeout=60) as answer:
            [server] = re.findall(r"^process_cpu_seconds_total (\S+)", answer.read().decode(), re.M)
        processes = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        browser = sum(process["cpuTime"] for process in processes)
        return 1000 * np.array([time.perf_counter(), float(server), browser])

    def measure(self, work: Callable[[], object], repeats: int) -> np.ndarray:
        """Return the three times of each of some repeats, shape (repeats, 3)."""
        times = []
        for _ in range(repeats):
            began = self.read()
            work()
            times.append(self.read() - began)
        return np.array(times)


class Person:
    """One who uses the pages, in one tab."""

    def __init__(self, browser: Browser, address: str, targetids: list[int]) -> None:
        self._browser, self._address, self._targetids = browser, address, iter(targetids)
        self._rng = np.random.default_rng(4)
        self._number = 1
        self._page = self._open()

    def _open(self) -> Page:
        page = self._browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def _await(self, text: str) -> None:
        self._page.get_by_text(text).first.wait_for()
        self._page.locator('[data-test-script-state="notRunning"]').wait_for()

    def first_page(self) -> None:
        """Open the portal in a browser that has nothing of it."""
        self._page.context.close()
        self._page = self._open()
        self._page.goto(self._address)
        self._await("Rows 1 to 50 of")

    def filter(self) -> None:
        """Search for redshifts above one that nobody has asked for."""
        z = round(float(self._rng.uniform(0.5, 3)), 4)
        box = self._page.get_by_role("textbox", name="Find an object")
        box.fill(f"z>{z}")
        box.press("Enter")
        self._await(f"Searched: Z > {z:g}.")
        self._number = 1

    def turn(self) -> None:
        """Turn to the next page of the table."""
        self._number += 1
        self._page.get_by_role("button", name=f"Page {self._number}", exact=True).click()
        self._await(f"Rows {50 * (self._number - 1) + 1} to")

    def open_object(self) -> None:
        """Open an object by its address."""
        targetid = next(self._targetids)
        self._page.goto(f"{self._address}/object?targetid={targetid}")
        self._page.locator(".marks").nth(2).wait_for()
        self._await(f"TARGETID {targetid}), in: DESI-QAD")

    def next_object(self) -> None:
        """Go on to the next object of the ranking by key."""
        place = self._page.get_by_text("in this ranking")
        before = place.inner_text()
        self._page.keyboard.press("n")
        self._page.wait_for_function(
            "before => { const text = document.body.innerText;"
            " return text.includes('in this ranking') && !text.includes(before) }", arg=before,
        )  # fmt: skip
        self._page.locator('[data-test-script-state="notRunning"]').wait_for()

    def ask_sql(self) -> None:
        """Count the tiers above a redshift in SQL."""
        if "/sql" not in self._page.url:
            self._page.goto(f"{self._address}/sql")
            self._await("DuckDB, read only")
        z = round(float(self._rng.uniform(0.5, 3)), 6)
        statement = f"SELECT tier, count(*) AS n, {z} AS z FROM quasars WHERE Z > {z} GROUP BY tier"
        self._page.get_by_role("textbox", name="Statement").fill(statement)
        self._page.keyboard.press("Control+Enter")
        # The link to the statement comes last.
        link = self._page.locator("code", has_text="/sql?release=")
        link.filter(has_text=str(z)).wait_for()
        self._await("rows in")


def measure(work: Callable[[], Any], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return times


def show(title: str, times: list[float]) -> None:
    p50, p95 = np.percentile(times, [50, 95])
    print(f"{title:24} n {len(times):4}  p50 {p50:8.0f} ms  p95 {p95:8.0f} ms", flush=True)


def use_pages(address: str, targetids: list[int], repeats: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        person = Person(browser, address, targetids)
        show("first page, just started", measure(person.first_page, 1))
        show("first page", measure(person.first_page, repeats))
        show("filter change", measure(person.filter, repeats))
        show("table page", measure(person.turn, repeats))
        show("object page", measure(person.open_object, repeats))
        show("next object", measure(person.next_object, repeats))
        person.ask_sql()
        show("SQL recipe", measure(person.ask_sql, repeats))
        browser.close()


def read_peak(server: subprocess.Popen[bytes]) -> float:
    """Return the greatest memory of a process so far, MB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_600_000)
    parser.add_argument("--root", type=Path, help="Folder that keeps the release between runs.")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=20, help="Mean seconds between pages.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (given.root or Path(folder)) / "9.9.9"
        if not root.exists():
            write_catalogue(root, given.rows)
        if not (root / "spectra").exists():
            write_rest(root)
        targetids = list_shown(root)
        with serve(root) as (address, server):
            use_pages(address, targetids, given.repeats)
            times, faults = visit(address, targetids, given.visitors, given.seconds, given.pause)
            print(f"{given.visitors} visitors for {given.seconds:g} s: {len(faults)} faults")
            for kind, values in sorted(times.items()):
                show(kind, values)
            print("\n".join(faults[:5]))
            print(f"peak memory of the portal: {read_peak(server):,.0f} MB")


if __name__ == "__main__":
    main()
