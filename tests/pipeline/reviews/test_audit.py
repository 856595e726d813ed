"""The random audit: who is drawn, and that what it says of a tier is right on average."""

import numpy as np
import pytest

from catalog_schema.tables import PURITY
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ReviewStatus, Tier, Verdict
from pipeline.reviews.audit import draw_audit, measure_purity
from pipeline.reviews.consensus import Consensus

IDS = 39627000000000001 + 2 * np.arange(4000)
TIERS = ["gold"] * 1000 + ["none"] * 3000


def say(verdict: Verdict | None, status: ReviewStatus = ReviewStatus.REVIEWED) -> Consensus:
    return Consensus(status, verdict, None, 1)


def test_the_draw_knows_nothing_but_the_object() -> None:
    drawn = draw_audit(IDS, TIERS, 0.1)
    assert {tier: len(rows) > 0 for tier, rows in drawn.items()} == {
        Tier.GOLD: True,
        Tier.SILVER: False,
        Tier.BRONZE: False,
        Tier.NONE: True,
    }
    assert abs(len(drawn[Tier.NONE]) - 300) < 60
    half = draw_audit(IDS[::2], TIERS[::2], 0.1)
    assert [int(IDS[::2][row]) for row in half[Tier.GOLD]] == [
        int(IDS[row]) for row in drawn[Tier.GOLD] if row % 2 == 0
    ]
    more = draw_audit(IDS, TIERS, 0.2)
    assert more[Tier.GOLD][: len(drawn[Tier.GOLD])] == drawn[Tier.GOLD]


def test_purity_counts_up_to_the_first_without_a_verdict() -> None:
    drawn = draw_audit(IDS, TIERS, 0.1)[Tier.GOLD]
    said = [Verdict.ANOMALOUS, Verdict.ORDINARY, Verdict.ARTEFACT, Verdict.UNSURE, None]
    consensus = {int(IDS[row]): say(v) for row, v in zip(drawn, said, strict=False)}
    consensus[int(IDS[drawn[5]])] = say(Verdict.ANOMALOUS)
    # Outside of the audit the reviews follow the ranking, not chance.
    outside = next(row for row in range(1000) if row not in drawn)
    consensus[int(IDS[outside])] = say(Verdict.ANOMALOUS)
    table = measure_purity(IDS, TIERS, consensus, 0.1)
    assert find_violations(table, PURITY) == []
    gold, silver = table.to_pylist()[:2]
    assert (gold["n_objects"], gold["n_drawn"]) == (1000, len(drawn))
    assert [gold[f"n_{word.value}"] for word in Verdict] == [1, 1, 1, 1]
    assert gold["purity"] == pytest.approx(1 / 3)
    # Wilson (1927) at 95 per cent of 1 in 3.
    assert (gold["purity_low"], gold["purity_high"]) == pytest.approx((0.0615, 0.7923), abs=1e-4)
    assert (silver["purity"], silver["purity_low"], silver["purity_high"]) == (None, 0, 1)


def test_a_dispute_is_unsure() -> None:
    first = draw_audit(IDS, TIERS, 0.1)[Tier.GOLD][0]
    consensus = {int(IDS[first]): say(None, ReviewStatus.DISPUTED)}
    gold = measure_purity(IDS, TIERS, consensus, 0.1).to_pylist()[0]
    assert (gold["n_unsure"], gold["purity"]) == (1, None)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    drawn, n_held = draw_audit(IDS, TIERS, 0.1)[Tier.GOLD], 0
    for _ in range(200):
        truth = np.where(rng.random(len(IDS)) < 0.6, Verdict.ANOMALOUS, Verdict.ORDINARY)
        consensus = {int(IDS[row]): say(Verdict.parse(str(truth[row]))) for row in drawn[:60]}
        gold = measure_purity(IDS, TIERS, consensus, 0.1).to_pylist()[0]
        share = np.mean(truth[:1000] == Verdict.ANOMALOUS)
        n_held += gold["purity_low"] <= share <= gold["purity_high"]
    assert 180 <= n_held <= 199
