"""Plain words, links and citation of one object."""

import pytest

from catalog_schema.statistics import REASONS
from portal.data.explain import cite_object, explain_score, list_links, locate_coadd

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


def test_score_in_words() -> None:
    text = explain_score(ROW, {"silver": 0.01})
    assert "about 1 in 10,000 normal spectra" in text
    assert "at most 1 % of it is normal" in text
    assert "about 1 in 50,000 of the ordinary quasars" in text
    assert "b 1.50, r 1.00; the worst is b" in text


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_in_words(reason: str) -> None:
    text = explain_score({**ROW, "reason": reason}, {"silver": 0.01})
    meaning = REASONS[reason].rstrip(".")
    assert f"What stands out most**: {meaning[0].lower()}{meaning[1:]}" in text


@pytest.mark.parametrize(("p", "words"), [(0.0, "no normal spectrum"), (0.7, "most normal")])
def test_extreme_probabilities_in_words(p: float, words: str) -> None:
    assert words in explain_score({**ROW, "p_value": p, "tier": "none"}, {})


def test_object_without_signal_is_on_no_list() -> None:
    text = explain_score({**ROW, "joint_p_value": None, "q_value": None, "tier": "none"}, {})
    assert "Not on the list" in text
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
    assert cite_object({**ROW, "DESINAME": None}, "Title", "1.0.0").startswith("DESI TARGETID")
