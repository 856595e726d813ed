"""Who sits at the browser: a reviewer who logged in, the local one, or a reader."""

import os

import streamlit as st

from portal.reviewing import Reviewer

LOCAL_VARIABLE = "QAD_LOCAL_REVIEWER"
_ROLES = ("reviewer", "adjudicator")


def identify() -> Reviewer | None:
    """Return the reviewer, or None for everybody else.

    Without `qad portal --local-reviewer` it takes a login by OpenID Connect and an entry in the
    table ``reviewers`` of ``.streamlit/secrets.toml`` under the verified e-mail address.
    """
    if name := os.environ.get(LOCAL_VARIABLE):
        return Reviewer(name, is_adjudicator=True)
    if not is_logged_in() or st.user.get("email_verified") is False:
        return None
    known = {str(email).lower(): entry for email, entry in _read_secrets("reviewers").items()}
    entry = known.get(str(st.user.get("email", "")).lower(), {})
    if entry.get("role") not in _ROLES or not entry.get("name"):
        return None
    return Reviewer(str(entry["name"]), entry["role"] == "adjudicator")


def is_logged_in() -> bool:
    """Say whether the visitor has logged in; it makes nobody a reviewer."""
    return bool(st.user.get("is_logged_in", False))


def has_login() -> bool:
    """Say whether this portal is set up for logging in."""
    return bool(_read_secrets("auth"))


def _read_secrets(name: str) -> dict:
    try:
        return dict(st.secrets.get(name, {}))
    except FileNotFoundError:
        return {}
