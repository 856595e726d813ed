"""The union of quasar finders: its truth table, and what never matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.union import (
    BGS,
    ELG,
    MGII,
    NEW_REDSHIFT,
    QUASARNET,
    TEMPLATE,
    WISE_VARIABLE,
    unite_finders,
)

CLASSES = ("qso", "elg", "wise_variable", "bgs", "")


def unite(
    target_class: str, template=False, mgii=False, confidence=0.0, refitted=False, threshold=0.95
) -> tuple[int, bool]:
    verdict = unite_finders(
        np.array([target_class]),
        np.array([template]),
        np.array([mgii]),
        np.array([confidence]),
        np.array([refitted]),
        threshold,
    )
    return int(verdict.bits[0]), bool(verdict.is_quasar[0])


def test_bits_are_those_of_desi() -> None:
    names = (TEMPLATE, MGII, QUASARNET, NEW_REDSHIFT, BGS, ELG, WISE_VARIABLE)
    assert names == (2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    ("target_class", "findings", "bits", "is_quasar"),
    [
        ("qso", {"template": True}, TEMPLATE, True),
        ("qso", {"mgii": True}, MGII, True),
        ("qso", {"confidence": 0.96}, QUASARNET, True),
        ("qso", {"confidence": 0.95}, 0, False),
        ("qso", {"confidence": 0.96, "refitted": True}, QUASARNET | NEW_REDSHIFT, True),
        ("qso", {"confidence": 0.94, "refitted": True}, 0, False),
        ("wise_variable", {"mgii": True}, MGII | WISE_VARIABLE, True),
        ("wise_variable", {"confidence": 0.7}, 0, False),
        ("elg", {"template": True, "confidence": 0.61}, TEMPLATE | ELG, True),
        ("elg", {"template": True, "mgii": True}, TEMPLATE | MGII, False),
        ("elg", {"confidence": 0.99}, QUASARNET, False),
        ("bgs", {"template": True, "mgii": True}, TEMPLATE | MGII | BGS, True),
        ("bgs", {"template": True, "confidence": 0.61}, TEMPLATE | BGS, True),
        ("bgs", {"mgii": True, "confidence": 0.99}, MGII | QUASARNET, False),
        ("", {"template": True, "mgii": True, "confidence": 1.0}, 14, False),
    ],
)
def test_rule_of_each_class(target_class: str, findings: dict, bits: int, is_quasar: bool) -> None:
    assert unite(target_class, **findings) == (bits, is_quasar)


@given(
    target_class=st.sampled_from(CLASSES),
    template=st.booleans(),
    mgii=st.booleans(),
    confidence=st.floats(0, 1),
    refitted=st.booleans(),
)
def test_more_evidence_never_unmakes_a_quasar(
    target_class: str, template: bool, mgii: bool, confidence: float, refitted: bool
) -> None:
    _, less = unite(target_class, template, mgii, confidence, refitted)
    bits, more = unite(target_class, True, True, 1.0, True)
    assert more >= less
    assert bool(bits) >= more
