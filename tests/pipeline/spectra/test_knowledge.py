"""What is known of spectra of quasars: who can be classified, rival redshifts, filters' places."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.statistics import FILTER_WIDTHS, STATISTICS
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.knowledge import Knowledge, get_knowledge
from pipeline.science.measured import Measured
from pipeline.spectra.knowledge import SpectraKnowledge

P_VALUES = st.one_of(st.just(float("nan")), st.floats(0, 1))
STATES = st.sampled_from(["classified", "no_signal", "too_few_pixels"])
NAMES = [statistic.name for statistic in STATISTICS]


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    return get_knowledge(start_run(Root(tmp_path_factory.mktemp("root")), Config()))


def test_the_knowledge_of_spectra_is_its_own(knowledge: Knowledge) -> None:
    assert isinstance(knowledge, SpectraKnowledge)


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.just(float("nan")), st.floats(-5, 50)), st.integers(0, 20)
        ),
        min_size=1,
        max_size=9,
    )
)
def test_a_spectrum_is_classified_that_has_pixels_and_signal(
    knowledge: Knowledge, rows: list
) -> None:
    snr, n_measured = zip(*rows, strict=True)
    value = np.where(np.arange(20) < np.array(n_measured)[:, None], 1.0, np.nan)
    found = knowledge.find_states(
        pa.table({"snr": pa.array(snr, pa.float64())}), Measured(value, value, value)
    )
    for state, ratio, n in zip(found, snr, n_measured, strict=True):
        has_signal = ratio is not None and ratio >= knowledge.config.classify.min_snr
        if n < 12:
            assert state == "too_few_pixels"
        else:
            assert state == ("classified" if has_signal else "no_signal")


@given(
    rows=st.lists(
        st.tuples(P_VALUES, st.one_of(st.none(), st.floats(0, 5)), STATES), min_size=1, max_size=9
    )
)
def test_an_anomaly_vanishes_at_a_redshift_that_makes_it_common(
    knowledge: Knowledge, rows: list
) -> None:
    p_values, z, states = zip(*rows, strict=True)
    p_values = tuple(p if rival is not None else None for p, rival in zip(p_values, z, strict=True))
    measured = pa.table(
        {
            "rival_z": pa.array(z, pa.float64()),
            "rival_p_value": pa.array(p_values, pa.float64(), from_pandas=True),
        }
    )
    found = knowledge.find_signs(measured, np.array(states))
    (sign,) = found.signs
    level = knowledge.config.classify.vanish_p_value
    wanted = [
        k
        for k, (p, state) in enumerate(zip(p_values, states, strict=True))
        if p is not None and p > level and state == "classified"
    ]
    assert (sign.kind, sign.rows.tolist()) == ("wrong_z", wanted)
    better = found.told["better_z"]
    assert np.flatnonzero(~np.isnan(better)).tolist() == wanted
    assert better[wanted].tolist() == [z[k] for k in wanted]
    assert not sign.evidence


@given(seed=st.integers(0, 999), n=st.integers(1, 4))
def test_a_filter_is_placed_where_it_was_found_and_nothing_else_is(
    knowledge: Knowledge, seed: int, n: int
) -> None:
    widths = len(FILTER_WIDTHS)
    waves = np.random.default_rng(seed).uniform(1000, 9000, (2, n, widths)).astype(np.float32)
    columns = {
        f"{sign}_wave": pa.FixedSizeListArray.from_arrays(pa.array(wave.ravel()), widths)
        for sign, wave in zip(("emission", "absorption"), waves, strict=True)
    }
    found = knowledge.find_waves(pa.table(columns))
    assert found.shape == (n, len(STATISTICS))
    for sign, wave in zip(("emission", "absorption"), waves, strict=True):
        for k, width in enumerate(FILTER_WIDTHS):
            np.testing.assert_array_equal(found[:, NAMES.index(f"{sign}_{width}")], wave[:, k])
    assert np.isfinite(found).sum() == waves.size
