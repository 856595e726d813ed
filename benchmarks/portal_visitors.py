"""Visitors of the portal without a browser: pages over Streamlit's websocket, objects by HTTP."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from urllib.request import urlopen

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 60.0


class VisitError(Exception):
    """A page that did not come as it should."""


def open_page(address: str, page: str, query: str) -> None:
    """Let the server draw a page for a new visitor, and receive all of it.

    Raises
    ------
    VisitError
        If the page shows an error or does not come to its end.
    """
    request = BackMsg()
    request.rerun_script.page_name = page
    request.rerun_script.query_string = query
    place = f"ws{address.removeprefix('http')}/_stcore/stream"
    with connect(place, subprotocols=["streamlit"], max_size=None, compression=None) as socket:
        socket.send(request.SerializeToString())
        while True:
            message = ForwardMsg.FromString(socket.recv(PATIENCE))
            if fault := _find_fault(message):
                raise VisitError(f"{page}?{query}: {fault}")
            if message.WhichOneof("type") == "script_finished":
                return


def _find_fault(message: ForwardMsg) -> str | None:
    kind = message.WhichOneof("type")
    if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
        return "the page did not come to its end"
    element = message.delta.new_element
    if element.WhichOneof("type") == "exception":
        return element.exception.message
    if element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR:
        return element.alert.body
    return None


def visit(
    address: str, targetids: Sequence[int], n_visitors: int, seconds: float, pause: float
) -> tuple[dict[str, list[float]], list[str]]:
    """Let visitors come for some time; each opens a page, waits, opens the next.

    Parameters
    ----------
    address : str
        Of the portal.
    targetids : sequence of int
        Objects that they look at.
    n_visitors : int
    seconds : float
    pause : float
        Mean time between a visitor's pages, seconds; exponentially distributed.

    Returns
    -------
    times : dict of str to list of float
        Milliseconds by kind of page.
    faults : list of str
    """
    times: dict[str, list[float]] = defaultdict(list)
    faults: list[str] = []
    end = time.monotonic() + seconds

    def come(number: int) -> None:
        draw = random.Random(number)
        time.sleep(draw.uniform(0, pause))
        while time.monotonic() < end:
            kind, work = _choose(draw, address, targetids)
            began = time.perf_counter()
            try:
                work()
                times[kind].append(1000 * (time.perf_counter() - began))
            # Whatever goes wrong is what is counted.
            except Exception as fault:
                faults.append(f"{kind}: {type(fault).__name__} {fault}")
            time.sleep(draw.expovariate(1 / pause))

    with ThreadPoolExecutor(n_visitors) as pool:
        list(pool.map(come, range(n_visitors)))
    return dict(times), faults


def _choose(
    draw: random.Random, address: str, targetids: Sequence[int]
) -> tuple[str, Callable[[], object]]:
    z, targetid = round(draw.uniform(0.5, 3), 2), draw.choice(targetids)
    sql = f"SELECT tier, count(*) AS n FROM quasars WHERE Z > {z} GROUP BY tier"
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "Explore, filtered": (4, lambda: open_page(address, "", f"find={quote(f'z>{z}')}")),
        "Object": (4, lambda: open_page(address, "object", f"targetid={targetid}")),
        "SQL": (1, lambda: open_page(address, "sql", f"sql={quote(sql)}")),
        "/api/object": (1, lambda: _get(f"{address}/api/object/{targetid}")),
    }
    [kind] = draw.choices(list(works), [weight for weight, _ in works.values()])
    return kind, works[kind][1]


def _get(address: str) -> bytes:
    with urlopen(address, timeout=PATIENCE) as answer:
        content: bytes = answer.read()
    return content
