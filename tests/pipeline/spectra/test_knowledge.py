"""What is known of spectra of quasars: who can be classified, rival redshifts, filters' places."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.kinds import SPECTRA
from catalog_schema.lines import LINES
from catalog_schema.spectra import TRAITS
from catalog_schema.statistics import FILTER_WIDTHS, LINE_SETS, STATISTICS
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.knowledge import Knowledge, get_knowledge
from pipeline.judge.survey import read_survey
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.ledger.outcome import Outcome
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


def test_statistics_are_located_in_each_row_s_own_window(lake: Root, config: Config) -> None:
    """Amplitude over error is the published statistic, the filters' places are the published."""
    run = start_run(lake, config)
    survey = read_survey(run)
    order = np.random.default_rng(0).permutation(survey.n_members)[:30]
    finds = get_knowledge(run).locate_statistics(survey.members.take(pa.array(order)))
    scores = survey.scores.take(pa.array(order))
    statistics = to_matrix(scores["statistics"])
    for k, statistic in enumerate(STATISTICS):
        if not statistic.amplitude:
            assert set(finds.name[:, k]) == {""}
            assert np.isnan(finds.value[:, k]).all()
            continue
        ratio = finds.value[:, k] / finds.error[:, k]
        is_known = np.isfinite(ratio)
        # Where the model is not above 0 there is no equivalent width.
        assert is_known.mean() > 0.7, statistic.name
        assert all(finds.name[is_known, k])
        sign = -1 if statistic.name == "reddening" else 1
        if statistic.name in LINE_SETS:
            # Of a line no more counts than its limit.
            assert (ratio[is_known] > statistics[is_known, k] - 1e-3).all()
        else:
            np.testing.assert_allclose(
                sign * ratio[is_known], statistics[is_known, k], rtol=2e-3, atol=2e-3
            )
    for sign in ("emission", "absorption"):
        first = NAMES.index(f"{sign}_{FILTER_WIDTHS[0]}")
        places = finds.wave[:, first : first + len(FILTER_WIDTHS)]
        np.testing.assert_allclose(places, to_matrix(scores[f"{sign}_wave"]), rtol=1e-6)
    nothing = get_knowledge(run).locate_statistics(survey.members.slice(0, 0))
    assert nothing.value.shape == (0, len(STATISTICS))


def test_members_were_taken_where_their_coadds_say(lake: Root, config: Config) -> None:
    """Night, petal and fibre of each row's own coadd, in the members' order; -1 where unknown."""
    run = start_run(lake, config)
    shards = run.list_shards("coadds")
    night, petal, fibre = {}, {}, {}
    for number, shard in enumerate(shards):
        rows = run.read_shards("coadds", [shard])[shard]
        n = rows.num_rows
        told = {
            "NIGHT": pa.array([20210101 + number if k % 3 else None for k in range(n)], pa.int32()),
            "PETAL_LOC": pa.array([k % 10 for k in range(n)], pa.int32()),
            "FIBER": pa.array([100 * number + k for k in range(n)], pa.int32()),
        }
        for name, column in told.items():
            field = rows.schema.field(name)
            rows = rows.set_column(rows.column_names.index(name), field, column.cast(field.type))
        stamp = lake.read_stamp(lake.lake.shard("coadds", shard))
        made = {"fingerprint": stamp.fingerprint, "n_expected": n, "n_made": n}
        lake.write(lake.lake.shard("coadds", shard), rows, SPECTRA["coadds"], **made)
        for k, targetid in enumerate(rows["TARGETID"].to_pylist()):
            night[targetid] = 20210101 + number if k % 3 else -1
            petal[targetid], fibre[targetid] = k % 10, 100 * number + k
    members = read_survey(run).members
    members = members.take(pa.array(np.random.default_rng(0).permutation(members.num_rows)))
    found = get_knowledge(run).read_surroundings(members)
    ids = members["TARGETID"].to_pylist()
    assert found.places["NIGHT"].tolist() == [night[i] for i in ids]
    assert found.places["PETAL_LOC"].tolist() == [petal[i] for i in ids]
    assert found.places["FIBER"].tolist() == [fibre[i] for i in ids]
    assert found.groups["fibre"].tolist() == [fibre[i] for i in ids]
    assert found.groups["field"].tolist() == members["HEALPIX"].to_pylist()
    # Two members share a petal's group where both night and petal are the same, and are known.
    for one, group in zip(ids, found.groups["petal"], strict=True):
        assert group == (-1 if night[one] < 0 else 100 * night[one] + petal[one])


def test_traits_are_those_of_each_row_s_own_coadd(lake: Root, config: Config) -> None:
    run = start_run(lake, config)
    members = read_survey(run).members
    members = members.take(pa.array(np.random.default_rng(0).permutation(members.num_rows)))
    traits = get_knowledge(run).read_traits(members)
    assert traits.shape == (members.num_rows, len(TRAITS))
    found = dict(zip(TRAITS, traits.T, strict=True))
    coadds = pa.concat_tables(run.read_shards("coadds", run.list_shards("coadds")).values())
    rows = {row["TARGETID"]: row for row in coadds.drop(["flux", "ivar", "mask"]).to_pylist()}
    own = [rows[targetid] for targetid in members["TARGETID"].to_pylist()]
    for arm in "brz":
        np.testing.assert_allclose(np.exp(found[f"noise_{arm}"]), [r[f"noise_{arm}"] for r in own])
    for arm in "bz":
        ratio = [r[f"ivar_{arm}"] / r["ivar_r"] for r in own]
        np.testing.assert_allclose(np.exp(found[f"ivar_{arm}_r"]), ratio)
    np.testing.assert_allclose(np.exp(found["pixel"]), 0.8 / 6712.0, rtol=1e-4)
    assert get_knowledge(run).read_traits(members.slice(0, 0)).shape == (0, len(TRAITS))


def test_a_changed_line_is_the_sign_of_its_strongest_change(lake: Root, config: Config) -> None:
    run = start_run(lake, config)
    members = read_survey(run).members
    shard = run.list_shards("scores")[0]
    mine = [k for k, pixel in enumerate(members["HEALPIX"].to_pylist()) if pixel == shard.healpix]
    changed, closed, calm = mine[:3]
    rows = [
        (changed, "a", 5.0, "civ", True),
        (changed, "b", -9.0, "mgii", True),
        (changed, "c", 30.0, "hbeta", False),
        (closed, "a", 8.0, "civ", True),
        (calm, "a", 1.0, "civ", False),
    ]
    keys = members.take(pa.array([row[0] for row in rows]))
    columns = {name: pa.nulls(len(rows), pa.null()) for name in SPECTRA["changes"].names}
    columns |= {name: keys[name] for name in keys.column_names}
    columns |= {
        "earlier_file": [row[1] for row in rows],
        "line_change": [row[2] for row in rows],
        "changed_line": [row[3] for row in rows],
        "has_changed": [row[4] for row in rows],
        "line_ratio": [0.1, 0.2, 0.3, 0.4, 0.5],
        "line_ratio_error": [0.01] * len(rows),
        "earlier_mjd": [51000.0 + k for k in range(len(rows))],
        "change_state": ["measured"] * len(rows),
    }
    table = columns_to_table(SPECTRA["changes"], columns)
    path = lake.lake.shard("changes", shard)
    lake.write(path, table, SPECTRA["changes"], fingerprint="f", n_expected=5, n_made=5)
    state = ShardState.DONE
    lake.ledger.record([Outcome(shard, "earlier", state, len(rows), len(rows), content="c")])
    is_open = np.ones(members.num_rows, bool)
    is_open[closed] = False
    (sign,) = get_knowledge(start_run(lake, config)).read_signs(members, is_open)
    assert (sign.kind, sign.rows.tolist()) == ("changing_look", [changed])
    assert list(sign.evidence["feature"]) == ["mgii_change"]
    assert sign.evidence["feature_value"].to_pylist() == pytest.approx([0.2])
    assert sign.evidence["departure"].to_pylist() == pytest.approx([-9.0])
    assert sign.evidence["feature_wave"] == [LINES["mgii"].wave]
    assert sign.evidence["statement"] == ["MgII since MJD 51001: 0.200 ± 0.010 times, 9.0 σ"]
    assert sign.evidence["compared_mjd"].to_pylist() == [51001.0]
