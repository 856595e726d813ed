"""What is drawn are the shares in the tables, whatever kinds and strengths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from release.faces.evidence_plots import (
    find_found,
    plot_conditions,
    plot_controls,
    plot_strengths,
    plot_tail,
)

SEEDS = st.integers(0, 99)


def draw_injections(seed: int, n_kinds: int, n: int = 200) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "injection": np.array([f"kind_{k}" for k in range(n_kinds)])[rng.integers(0, n_kinds, n)],
        "planted": np.array([5.0, 10.0, 20.0])[rng.integers(0, 3, n)],
        "snr": rng.lognormal(1, 1, n),
        "Z": rng.uniform(0.5, 4, n),
        "joint_p_value": np.where(rng.random(n) < 0.1, np.nan, 10 ** rng.uniform(-5, 0, n)),
        "tier": np.array(["none", "gold", "bronze"])[rng.integers(0, 3, n)],
    }


@given(seed=SEEDS)
def test_found_is_below_a_hundredth_and_null_is_not(seed: int) -> None:
    rows = draw_injections(seed, 2)
    found = find_found(rows)
    assert (found["found"] == (np.nan_to_num(rows["joint_p_value"], nan=1) < 0.01)).all()
    assert (found["in a tier"] == (rows["tier"] != "none")).all()


@given(seed=SEEDS, n_kinds=st.integers(1, 9))
@settings(max_examples=8)
def test_curves_are_the_shares_of_each_kind_at_each_strength(seed: int, n_kinds: int) -> None:
    rows, figure = draw_injections(seed, n_kinds), Figure()
    plot_strengths(figure, rows)
    panels = [axes for axes in figure.axes if axes.lines]
    kinds = np.unique(rows["injection"])
    assert [axes.get_title() for axes in panels] == [kind.replace("_", " ") for kind in kinds]
    for kind, axes in zip(kinds, panels, strict=True):
        for line, is_so in zip(axes.lines, find_found(rows).values(), strict=True):
            for strength, share in zip(*line.get_data(), strict=True):
                mine = (rows["injection"] == kind) & (rows["planted"] == strength)
                assert share == pytest.approx(is_so[mine].mean())


@given(seed=SEEDS)
@settings(max_examples=8)
def test_the_map_is_of_the_stronger_features_by_thirds(seed: int) -> None:
    rows, figure = draw_injections(seed, 2, n=900), Figure()
    plot_conditions(figure, rows)
    strong = rows["planted"] >= np.median(rows["planted"])
    snr, z = rows["snr"][strong], rows["Z"][strong]
    faint_and_near = (snr <= np.quantile(snr, 1 / 3)) & (z <= np.quantile(z, 1 / 3))
    mine = strong.copy()
    mine[strong] = faint_and_near
    mine &= rows["injection"] == "kind_0"
    for axes, is_so in zip(figure.axes, find_found(rows).values(), strict=False):
        assert axes.collections[0].get_array()[0, 0] == pytest.approx(is_so[mine].mean(), abs=0.03)


@given(counts=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30)), min_size=1, max_size=4))
@settings(max_examples=8)
def test_controls_have_intervals_that_hold_their_share(counts: list[tuple[int, int]]) -> None:
    controls = {
        "control": np.repeat([f"c{k}" for k in range(len(counts))], [n for _, n in counts]),
        "joint_p_value": np.concatenate([np.where(np.arange(n) < m, 1e-4, 0.5) for m, n in counts]),
    }
    controls["tier"] = np.full(len(controls["control"]), "none")
    axes = Figure().add_subplot()
    plot_controls(axes, controls)
    shown = axes.containers[0]
    shares = [min(m, n) / n for m, n in counts]
    np.testing.assert_allclose(shown.lines[0].get_ydata(), shares)
    for (low, high), share, (m, n) in zip(
        (segment[:, 1] for segment in shown.lines[2][0].get_segments()), shares, counts, strict=True
    ):
        assert -1e-9 <= low <= share <= high <= 1 + 1e-9
        assert high - low > 0.1 or n > 10, (m, n)
    assert axes.get_xticklabels()[0].get_text() == f"c0 ({counts[0][1]})"


def test_a_uniform_tail_lies_in_its_band_and_a_heavy_one_above() -> None:
    rng = np.random.default_rng(0)
    axes = Figure().add_subplot()
    plot_tail(axes, {"even": rng.random(2000), "odd": 10 ** rng.uniform(-8, 0, 2000)})
    even, odd = axes.lines[:2]
    place, edge = np.log10(axes.collections[0].get_paths()[0].vertices.T)
    near = edge[np.abs(place + 2) < 0.1]
    share = np.log10(np.interp(0.01, even.get_xdata(), even.get_ydata()))
    assert near.min() < share < near.max()
    assert np.interp(0.01, odd.get_xdata(), odd.get_ydata()) > 0.5
