"""Who is a reviewer by the claims of a login."""

import pytest

from portal.service.reviewers import find_reviewer

LISTED = {
    "Ada@example.org": {"name": "AL", "role": "adjudicator"},
    "kim@example.org": {"name": "K", "role": "reviewer"},
    "eve@example.org": {"name": "E", "role": "owner"},
}


@pytest.mark.parametrize("verified", [False, None, "true", "True", 1, 1.0, [True], "", "absent"])
def test_only_an_address_that_the_provider_has_verified_counts(verified: object) -> None:
    claims = {"email": "ada@example.org", "email_verified": verified}
    if verified == "absent":
        del claims["email_verified"]
    assert find_reviewer(claims, LISTED) is None


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ada@example.org", "AL"),
        ("ADA@EXAMPLE.ORG", "AL"),
        ("kim@example.org", "K"),
        ("\u212aim@example.org", None),
        ("eve@example.org", None),
        ("bob@example.org", None),
        ("", None),
        (None, None),
        (["ada@example.org"], None),
    ],
)
def test_a_listed_address_is_a_reviewer(email: object, name: str | None) -> None:
    found = find_reviewer({"email": email, "email_verified": True}, LISTED)
    assert (found.name if found else None) == name
