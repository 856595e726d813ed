"""Plain words, links and citation of one object."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.statistics import REASONS
from catalog_schema.vocabulary import Finding, Tier
from portal.data.explain import (
    cite_object,
    explain_score,
    list_links,
    list_statements,
    locate_coadd,
    write_bibtex,
    write_sparcl,
)

ROW = {
    "TARGETID": "39627000000000001",
    "DESINAME": "DESI J100000.00+020000.0",
    "TARGET_RA": 150.0,
    "TARGET_DEC": -2.5,
    "SURVEY": "main",
    "PROGRAM": "dark",
    "HEALPIX": 26065,
    "anomaly_score": 5.5,
    "p_value": 1e-4,
    "joint_p_value": 2e-5,
    "q_value": 0.004,
    "tier": "silver",
    "reason": "latent",
    "worst_arm": "b",
    "chi2_b": 1.5,
    "chi2_r": 1.0,
    "chi2_z": None,
}


def test_statements_come_by_their_weight_and_are_no_markup() -> None:
    rows = pd.DataFrame(
        {"statement": ["small", "large *x*", None, "less"], "contribution": [0.1, -5.0, 9.0, 2.0]}
    )
    assert list_statements(rows) == ["large \\*x\\*", "less", "small"]
    assert list_statements(rows.drop(columns="contribution"))[0] == "small"
    assert list_statements(rows.drop(columns="statement")) == []


def test_score_in_words() -> None:
    text = explain_score(ROW, {"silver": 0.01})
    assert "about 1 in 10,000 normal objects" in text
    assert "at most 1 % of it is normal" in text
    assert "about 1 in 50,000 of the ordinary objects" in text
    assert "b 1.50, r 1.00; the worst is b" in text


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ("named", "its class is an anomaly or an artefact, so the joint p counts"),
        ("unexplained", "no known class tells it from ordinary objects, so p counts"),
    ],
)
def test_the_list_and_its_p_value_in_words(finding: str, words: str) -> None:
    text = explain_score({**ROW, "finding": finding}, {})
    assert f"**On the list of the {finding}**: {words}." in text
    assert "On the list" not in explain_score({**ROW, "finding": None}, {})


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_in_words(reason: str) -> None:
    text = explain_score({**ROW, "reason": reason}, {"silver": 0.01})
    meaning = REASONS[reason].rstrip(".")
    assert f"What stands out most**: {meaning[0].lower()}{meaning[1:]}" in text


@pytest.mark.parametrize(("p", "words"), [(0.0, "no normal object"), (0.7, "most normal")])
def test_extreme_probabilities_in_words(p: float, words: str) -> None:
    assert words in explain_score({**ROW, "p_value": p, "tier": "none"}, {})


def test_an_extrapolated_probability_is_said_to_be_one() -> None:
    row = {**ROW, "p_value": 0.004, "joint_p_value": 0.02}
    told = [
        explain_score(row, {}, smallest).count("(extrapolated: below")
        for smallest in (0.0, 0.004, 0.01, 0.03)
    ]
    assert told == [0, 0, 1, 2]


def test_the_interval_of_a_p_value_is_told_where_the_release_has_it() -> None:
    row = {**ROW, "p_value_low": 4e-5, "p_value_high": 3e-4}
    assert "**p = 0.0001** (95 % interval 4e-05 to 0.0003): about 1 in" in explain_score(row, {})
    assert "95 %" not in explain_score(ROW, {})


def test_object_without_signal_is_on_no_list() -> None:
    text = explain_score({**ROW, "joint_p_value": None, "q_value": None, "tier": "none"}, {})
    assert "On no list" in text
    assert "nan" not in text


def test_links_carry_the_position() -> None:
    addresses = {link.title: link.address for link in list_links(ROW)}
    assert "ra=150.000000&dec=-2.500000" in addresses["Legacy Surveys viewer"]
    assert "Coord=150.000000+-2.500000" in addresses["SIMBAD"]
    assert all(address.startswith("https://") for address in addresses.values())
    assert list_links({**ROW, "TARGET_RA": None}) == []
    assert locate_coadd(ROW, "iron").endswith(
        "iron/healpix/main/dark/260/26065/coadd-main-dark-26065.fits"
    )


def test_citation_names_object_and_release() -> None:
    assert "39627000000000001" in cite_object(ROW, "Title", "1.0.0")
    assert cite_object({**ROW, "DESINAME": None}, "Title", "1.0.0").startswith("TARGETID")


@given(
    st.fixed_dictionaries(
        {"TARGETID": st.just("7")},
        optional={
            "anomaly_score": st.floats(-10, 1e6) | st.none(),
            "p_value": st.floats(0, 1),
            "p_value_low": st.floats(0, 1),
            "p_value_high": st.floats(0, 1) | st.none(),
            "joint_p_value": st.floats(0, 1) | st.none(),
            "q_value": st.floats(0, 1) | st.none(),
            "finding": st.sampled_from([*Finding.values(), "other"]) | st.none(),
            "tier": st.sampled_from([*Tier.values(), "other"]),
            "reason": st.sampled_from([*REASONS, "of its own"]),
            "chi2_b": st.floats(0, 100) | st.none(),
        },
    )
)
def test_only_what_is_known_is_said(row: dict[str, object]) -> None:
    text = explain_score(row, {"silver": 0.01})
    assert text
    assert "nan" not in text.replace("resonan", "")
    assert "None" not in text.replace("is None.", "")
    for name, words in {
        "anomaly_score": "**Score",
        "p_value": "**p =",
        "tier": "**Tier",
        "reason": "stands out most",
    }.items():
        assert (words in text) == (row.get(name) is not None)
    assert ("**Joint p" in text) == all(
        row.get(name) is not None for name in ("joint_p_value", "q_value")
    )


@given(st.floats(1e-300, 0.49))
def test_rarer_is_never_said_to_be_more_frequent(p: float) -> None:
    def read(value: float) -> int:
        text = explain_score({**ROW, "p_value": value}, {})
        return int(text.split("about 1 in ")[1].split(" ")[0].replace(",", ""))

    assert read(p) >= read(min(2 * p, 0.49))
    assert read(p) == pytest.approx(1 / p, rel=0.3)


def test_no_place_no_file() -> None:
    for name in ("SURVEY", "PROGRAM", "HEALPIX"):
        assert locate_coadd({**ROW, name: None}, "iron") is None
        assert locate_coadd({k: v for k, v in ROW.items() if k != name}, "iron") is None
    here, elsewhere = ({**ROW, "_healpix_29": (26065 + n) << 46} for n in (0, 1))
    assert locate_coadd(here, "iron") == locate_coadd(ROW, "iron")
    assert locate_coadd(elsewhere, "iron") is None


@pytest.mark.parametrize("word", ["../..", "a/b", "?x=1", "#", "é"])
def test_words_of_a_release_lead_nowhere_else(word: str) -> None:
    address = locate_coadd({**ROW, "SURVEY": word}, word)
    assert address is not None
    assert address.startswith("https://data.desi.lbl.gov/public/dr1/spectro/redux/")
    assert address.count("/") == locate_coadd(ROW, "iron").count("/")
    assert not set("?#") & set(address)


def test_an_entry_of_a_bibliography_has_object_release_and_year() -> None:
    entry = write_bibtex(ROW, "Title", "1.0.0", "2026")
    assert entry.startswith("@misc{desiqad_39627000000000001,")
    assert entry.count("{") == entry.count("}")
    for word in ("DESI J100000.00+020000.0", "Title, release 1.0.0", "year = {2026}"):
        assert word in entry
    assert "[39627000000000001]" in write_sparcl("39627000000000001")
