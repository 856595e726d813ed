"""What people type into the search box, understood or refused with a reason."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog_schema.tables import QUASARS
from portal.data.search import (
    MAX_CONE_RADIUS,
    Cone,
    Name,
    SearchError,
    Target,
    Term,
    Terms,
    describe_search,
    parse_search,
)

NUMBERS = [c.name for c in QUASARS.scalars if str(c.type) in ("float", "double")]
RA, DEC = st.floats(0, 360), st.floats(-90, 90)


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("  ", None),
        ("39627000000000001", Target(39627000000000001)),
        ("-12", Target(-12)),
        ("10:00:00, -00:30:00", Cone(150.0, -0.5)),
        ("10 00 00 -00 30 00 5", Cone(150.0, -0.5, 5.0)),
        ("DESI J000003", Name("DESI J000003")),
        (
            "SDSS J100000.00-003000.0",
            Name("SDSS J100000.00-003000.0", Cone(150.0, -0.5, 10.0)),
        ),
        ("J1000-0030", Name("J1000-0030", Cone(150.0, -0.5, 90.0))),
        ("J9900-0030", Name("J9900-0030")),
        ("z>2 TIER=gold", Terms((Term("Z", ">", 2.0), Term("tier", "=", "gold")))),
        ("z>2 and snr<5", Terms((Term("Z", ">", 2.0), Term("snr", "<", 5.0)))),
        ("targetid = 39627000000000001", Terms((Term("TARGETID", "=", 39627000000000001),))),
    ],
)
def test_search_box_understands(text: str, search: object) -> None:
    assert parse_search(text) == search


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_identifier_is_found_exactly(targetid: int) -> None:
    assert parse_search(f" {targetid} ") == Target(targetid)


@given(RA, DEC, st.floats(0.001, MAX_CONE_RADIUS))
@example(0.0, -90.0, 0.001)
@example(360.0, 90.0, MAX_CONE_RADIUS)
def test_positions_are_read_as_written(ra: float, dec: float, radius: float) -> None:
    search = parse_search(f"{ra:.6f}, {dec:.6f} {radius:.3f}")
    assert isinstance(search, Cone)
    assert search.ra == pytest.approx(ra, abs=1e-6)
    assert search.dec == pytest.approx(dec, abs=1e-6)
    assert search.radius == pytest.approx(radius, abs=1e-3)
    assert "within" in describe_search(search)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 89))
def test_sexagesimal_and_decimal_are_one_place(h: int, m: int, s: int, d: int) -> None:
    ra, dec = 15 * (h + m / 60 + s / 3600), -(d + m / 60 + s / 3600)
    for text in (
        f"{h}:{m:02}:{s:02} -{d}:{m:02}:{s:02}",
        f"{h}h{m:02}m{s:02}s -{d}d{m:02}m{s:02}s",
        f"{h:02} {m:02} {s:02} -{d:02} {m:02} {s:02}",
    ):
        search = parse_search(text)
        assert isinstance(search, Cone)
        assert (search.ra, search.dec) == pytest.approx((ra, dec))
    name = parse_search(f"X J{h:02}{m:02}{s:02}-{d:02}{m:02}{s:02}")
    assert isinstance(name, Name)
    assert name.cone is not None
    assert (name.cone.ra, name.cone.dec) == pytest.approx((ra, dec))


@given(
    st.sampled_from(NUMBERS),
    st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
    st.floats(-1e6, 1e6),
)
def test_conditions_say_again_what_was_understood(name: str, operator: str, value: float) -> None:
    search = parse_search(f"{name.lower()}{operator}{value!r}")
    assert search == Terms((Term(name, operator, value),))
    assert search is not None
    assert parse_search(describe_search(search)) == search


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


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    told = ""
    try:
        search = parse_search(text)
        told = describe_search(search) if search else "nothing"
    except SearchError as fault:
        told = str(fault)
    assert told
    assert len(told.splitlines()) == 1
