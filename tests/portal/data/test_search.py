"""What people type into the search box, understood or refused with a reason."""

import pytest
from portal_release import row_id
from questions import found

from portal.data.conditions import Filters
from portal.data.database import Connection
from portal.data.search import (
    Cone,
    Name,
    SearchError,
    Target,
    Term,
    Terms,
    describe_search,
    parse_search,
)


def test_search_box_understands(con: Connection) -> None:
    assert parse_search("  ") is None
    assert parse_search("39627000000000001") == Target(39627000000000001)
    assert parse_search("-12") == Target(-12)
    assert parse_search("10:00:00, -00:30:00") == Cone(150.0, -0.5)
    assert parse_search("DESI J000003") == Name("DESI J000003")
    assert found(con, Filters(search="desi j000003.00")) == [str(row_id(3))]
    assert parse_search("10 00 00 -00 30 00 5") == Cone(150.0, -0.5, 5.0)
    assert parse_search("SDSS J100000.00-003000.0") == Name(
        "SDSS J100000.00-003000.0", Cone(150.0, -0.5, 10.0)
    )
    assert parse_search("J1000-0030") == Name("J1000-0030", Cone(150.0, -0.5, 90.0))
    assert parse_search("J9900-0030") == Name("J9900-0030")
    assert parse_search("z>2 TIER=gold") == Terms((Term("Z", ">", 2.0), Term("tier", "=", "gold")))
    assert parse_search("targetid = 39627000000000001") == Terms(
        (Term("TARGETID", "=", 39627000000000001),)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("39627000000000001", "TARGETID 39627000000000001"),
        ("10 20 5", "within 5″ of RA 10.00000°, Dec +20.00000°"),
        ("z>2", "Z > 2.0"),
        ("J1000-0030", "a DESI name with “J1000-0030” in it, or within 90″ of"),
    ],
)
def test_what_was_understood_is_said(text: str, said: str) -> None:
    search = parse_search(text)
    assert search is not None
    assert said in describe_search(search)


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "1.5",
        "400 2",
        "10 95",
        "10 20 0",
        "10 20 x",
        "10 20 9e9",
        "redshift>2",
        "z>two",
        "tier>gold",
        "z>2 or so",
        "x' OR '1'='1",
        "1) OR (1=1",
    ],
)
def test_search_box_refuses_with_a_reason(text: str) -> None:
    with pytest.raises(SearchError, match=r"\.|;"):
        parse_search(text)
