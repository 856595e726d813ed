"""Who sits at the browser: a reviewer who logged in, the local one, or a reader."""

import os
from collections.abc import Mapping

import streamlit as st

from portal.data.reviewing import Reviewer

LOCAL_VARIABLE = "QAD_LOCAL_REVIEWER"
_ROLES = ("reviewer", "adjudicator")


def identify() -> Reviewer | None:
    """Return the reviewer, or None for everybody else.

    Without `qad portal --local-reviewer` it takes a login by OpenID Connect and an entry in the
    table ``reviewers`` of ``.streamlit/secrets.toml`` under the verified e-mail address.
    """
    if name := os.environ.get(LOCAL_VARIABLE):
        return Reviewer(name, is_adjudicator=True)
    return find_reviewer(st.user, _read_secrets("reviewers")) if is_logged_in() else None


def find_reviewer(claims: Mapping, entries: Mapping) -> Reviewer | None:
    """Return whom the claims of a login stand for, or None where nobody is listed.

    Parameters
    ----------
    claims : mapping
        Of the provider. One that does not say that it has verified the address lets anybody give
        any: only ``email_verified`` = true counts, not a word or a number in its place.
    entries : mapping
        Address: name and role.
    """
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    # Only ASCII has one lower case, by which no other address becomes a listed one.
    known = {str(address).lower(): entry for address, entry in entries.items()}
    entry = known.get(email.lower(), {}) if email.isascii() else {}
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
