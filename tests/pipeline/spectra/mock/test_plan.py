"""What a plan decides: how many of what, where, and from which random stream."""

from collections import Counter

import pytest

from pipeline.spectra.mock import plan
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.mock.plan import plan_shards


@pytest.mark.parametrize(("n_quasars", "n_pixels"), [(40, 4), (400, 3), (1500, 12)])
def test_every_quasar_and_every_anomaly_has_a_shard(n_quasars: int, n_pixels: int) -> None:
    plans = plan_shards(n_quasars, n_pixels, seed=3)
    assert len(plans) == n_pixels
    assert sum(each.n_quasars for each in plans) == n_quasars
    assert all(len(each.families) + each.shared <= each.n_quasars for each in plans)
    planted = Counter(name for each in plans for name in each.families)
    assert planted.total() == round(plan.ANOMALY_SHARE * n_quasars)
    # Dealt out in turn: no family is twice ahead of another.
    counts = [planted[name] for name in FAMILIES]
    assert max(counts) - min(counts) <= 1


def test_other_families_leave_the_rest_of_a_plan(monkeypatch) -> None:
    before = plan_shards(400, 4, seed=5)
    monkeypatch.setattr(plan, "FAMILIES", dict.fromkeys(["bal", "supernova"]))
    after = plan_shards(400, 4, seed=5)
    for one, other in zip(before, after, strict=True):
        assert (one.healpix, one.ebv, one.n_quasars, one.shared) == (
            other.healpix,
            other.ebv,
            other.n_quasars,
            other.shared,
        )
        assert len(one.families) == len(other.families)
        assert set(other.families) <= {"bal", "supernova"}


def test_every_anomaly_has_a_stream_of_its_own() -> None:
    [first, second] = plan_shards(40, 2, seed=1)
    keys = [
        (shard, name, k) for shard in (first, second) for name in ("bal", "dla") for k in (0, 1)
    ]
    drawn = [shard.planting(name, number).random() for shard, name, number in keys]
    assert len(set(drawn)) == len(drawn)
    assert drawn == [shard.planting(name, number).random() for shard, name, number in keys]
