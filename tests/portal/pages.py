"""Pages through Streamlit's own test runner, and what is written on them."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import portal

APP = Path(portal.__file__).with_name("app.py")


def open_page(
    monkeypatch: pytest.MonkeyPatch, root: Path, page: str = "explore", **params: str | list[str]
) -> AppTest:
    """Open a page of a release under an address."""
    monkeypatch.setenv("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
    monkeypatch.setenv("QAD_RELEASE", str(root))
    app = AppTest.from_file(str(APP), default_timeout=60)
    if page != "explore":
        app.query_params["targetid"] = "0"
        app.run()
        app.switch_page(f"views/{page}.py")
    return follow(app, **params)


def follow(app: AppTest, **params: str | list[str]) -> AppTest:
    """Go to another address of the page."""
    app.query_params.clear()
    app.query_params.update(params)
    app.run()
    assert not app.exception
    return app


def asked(app: AppTest, key: str) -> str:
    """What the page's address says, whoever wrote it there."""
    told = app.query_params[key]
    return told if isinstance(told, str) else told[-1]


def written(app: AppTest) -> str:
    """What a page says outside of tables, warnings and errors."""
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.info,
        app.success,
        app.text,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)
