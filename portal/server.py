"""The server: the pages, and beside them in one process what programs ask."""

import logging

import streamlit as st
from starlette.middleware import Middleware

from portal.service.api import ROUTES
from portal.service.headers import Headers
from portal.service.observe import FAULTS, Observer, start_log


def tell_fault(fault: Exception) -> bool:
    """Write an unforeseen fault to the log and show the visitor one line."""
    FAULTS.labels(type(fault).__name__).inc()
    logging.getLogger("portal").error("page failed", exc_info=fault)
    st.error("This page could not be drawn. Load it again; if that fails too, tell its keepers.")
    return True


start_log()
app = st.App(
    "app.py",
    routes=ROUTES,
    middleware=[Middleware(Observer), Middleware(Headers)],
    on_script_error=tell_fault,
)
