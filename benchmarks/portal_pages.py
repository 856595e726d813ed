"""Measures the portal's pages in a real browser, and under many visitors at once.

Usage: python benchmarks/portal_pages.py [--rows 1600000] [--root FOLDER] [--repeats 10]
    [--visitors 50] [--seconds 60] [--pause 20]

Serves a synthetic release of survey size (`synthetic_release.py`) with `qad portal`. One Chromium
(Playwright; Debian's /usr/bin/chromium) does what a person does, each time with other parameters,
so that no answer is recalled; a time ends when the page's script has ended and what was asked for
stands on the page. Beside it stands the CPU time of the server (the answers to SQL are processes of
their own, not counted) and of the browser, which other work on the machine changes less; a page
of one word tells what Streamlit itself takes. Then so many visitors come at once over Streamlit's
own websocket: each page is opened afresh, which draws all of it; no browser renders what they
receive. Milliseconds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from portal_serving import serve, start
from portal_visitors import visit
from synthetic_release import list_shown, write_catalogue, write_rest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE_MS = 120_000
# Looked at in each frame; the library's own waiting for a text looks only every half second.
IS_DONE = """([text, selector, old, n_charts]) =>
    document.querySelector('[data-test-script-state="notRunning"]') !== null
    && document.querySelectorAll(".marks").length >= n_charts
    && [...document.querySelectorAll(selector)].some(({textContent}) =>
        textContent.includes(text) && !(old && textContent.includes(old)))"""
Action = Callable[[], object]


class Meter:
    """Wall time, and CPU time of the server and of all processes of the browser, milliseconds."""

    def __init__(self, server: subprocess.Popen[bytes], browser: Browser) -> None:
        self._server, self._session = server, browser.new_browser_cdp_session()

    def _read(self) -> np.ndarray:
        state = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        server = sum(map(int, state[11:13])) / os.sysconf("SC_CLK_TCK")
        processes = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        browser = sum(process["cpuTime"] for process in processes)
        return 1000 * np.array([time.perf_counter(), server, browser])

    def measure(
        self, title: str, work: Action, repeats: int, before: Action = lambda: None
    ) -> None:
        """Print the times of some repeats, what is done before each of them not counted."""
        times = []
        for _ in range(repeats):
            before()
            began = self._read()
            work()
            times.append(self._read() - began)
        wall, server, browser = np.transpose(times)
        show(
            title,
            list(wall),
            f"CPU: server {np.median(server):5.0f} ms, browser {np.median(browser):5.0f} ms",
        )


class Person:
    """One who uses the pages, in one tab."""

    def __init__(
        self, browser: Browser, address: str, targetids: list[int], n_charts: int = 1
    ) -> None:
        self._browser, self._address, self._targetids = browser, address, iter(targetids)
        self._n_charts = n_charts
        self._rng = np.random.default_rng(4)
        self._number = 1
        self._page = self._open()

    def _open(self) -> Page:
        page = self._browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def _await(self, text: str, selector: str = "body", old: str = "", n_charts: int = 0) -> None:
        self._page.wait_for_function(IS_DONE, arg=[text, selector, old, n_charts])

    def first_page(self) -> None:
        """Open the portal in a browser that has nothing of it."""
        self._page.context.close()
        self._page = self._open()
        self.come_again()

    def come_again(self) -> None:
        """Open the portal in a browser that has been there."""
        self._page.goto(self._address)
        self._await("Rows 1 to 50 of", n_charts=self._n_charts)

    def filter(self) -> None:
        """Search for redshifts above one that nobody has asked for."""
        z = round(float(self._rng.uniform(0.5, 3)), 4)
        box = self._page.get_by_role("textbox", name="Find an object")
        box.fill(f"z>{z}")
        box.press("Enter")
        self._await(f"Searched: Z > {z:g}.")
        self._number = 1

    def filter_scores(self) -> None:
        """Search likewise where the sky is not shown."""
        self._page.get_by_role("tab", name="Score against SNR").click()
        self.filter()
        self._await("Points: a random draw")

    def see_sky(self) -> None:
        """See the sky map of what was searched."""
        self._page.get_by_role("tab", name="Sky", exact=True).click()
        self._await("Mollweide projection")

    def turn(self) -> None:
        """Turn to the next page of the table."""
        self._number += 1
        self._page.get_by_role("button", name=f"Page {self._number}", exact=True).click()
        self._await(f"Rows {50 * (self._number - 1) + 1:,} to")

    def open_object(self) -> None:
        """Open an object by its address."""
        targetid = next(self._targetids)
        self._page.goto(f"{self._address}/object?targetid={targetid}")
        self._await(f"TARGETID {targetid}), in: DESI-QAD", n_charts=3)

    def next_object(self) -> None:
        """Go on to the next object of the ranking by key."""
        place = self._page.get_by_text("in this ranking")
        before = place.inner_text()
        self._page.keyboard.press("n")
        self._await("in this ranking", "p", old=before, n_charts=3)

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
        self._await(str(z), "code")


def show(title: str, times: list[float], more: str = "") -> None:
    p50, p95 = np.percentile(times, [50, 95])
    line = f"{title:24} n {len(times):4}  p50 {p50:8.0f} ms  p95 {p95:8.0f} ms  {more}"
    print(line.rstrip(), flush=True)


def use_pages(
    address: str, server: subprocess.Popen[bytes], targetids: list[int], repeats: int
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        person, meter = Person(browser, address, targetids), Meter(server, browser)
        meter.measure("first page, just started", person.first_page, 1)
        meter.measure("first page", person.first_page, repeats)
        meter.measure("first page, opened again", person.come_again, repeats)
        meter.measure("filter change", person.filter, repeats)
        meter.measure("sky map", person.see_sky, repeats, person.filter_scores)
        meter.measure("table page", person.turn, repeats)
        meter.measure("object page", person.open_object, repeats)
        meter.measure("next object", person.next_object, repeats)
        person.ask_sql()
        meter.measure("SQL recipe", person.ask_sql, repeats)
        browser.close()


def open_empty_page(folder: Path, repeats: int) -> None:
    """Measure a page of one word: what Streamlit and this browser cost before all of ours."""
    app = folder / "empty.py"
    app.write_text('import streamlit as st\n\nst.caption("Rows 1 to 50 of")\n')
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.headless=true"]
    with start(command) as (address, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        person, meter = Person(browser, address, [], n_charts=0), Meter(server, browser)
        person.first_page()
        meter.measure("empty page", person.first_page, repeats)
        meter.measure("empty page, opened again", person.come_again, repeats)
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
        print(f"load average: {os.getloadavg()[0]:.1f}")
        open_empty_page(Path(folder), given.repeats)
        with serve(root) as (address, server):
            use_pages(address, server, targetids, given.repeats)
            print(f"load average: {os.getloadavg()[0]:.1f}")
            times, faults = visit(address, targetids, given.visitors, given.seconds, given.pause)
            print(f"{given.visitors} visitors for {given.seconds:g} s: {len(faults)} faults")
            for kind, values in sorted(times.items()):
                show(kind, values)
            print("\n".join(faults[:5]))
            print(f"peak memory of the portal: {read_peak(server):,.0f} MB")


if __name__ == "__main__":
    main()
