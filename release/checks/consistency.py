"""Checks that the tables of a release agree with each other and with the manifest."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.changes import CHANGED_LINES, CHANGES
from catalog_schema.vocabulary import (
    ChangeState,
    ClassState,
    Finding,
    MatchState,
    ReviewStatus,
    ShardState,
    Tier,
)
from catalog_schema.waist import ARTEFACT, KEY, NORMAL, UNKNOWN
from pipeline.flow.kinds import PATHS
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Outcome
from pipeline.reviews.consensus import find_consensus
from pipeline.reviews.review import select_in_force
from pipeline.reviews.review_ledger import read_rows
from release.conservation import RELEASE_STAGE, find_breaks, sum_gates
from release.manifest import GRADES, MANIFEST, count_grades, read_json, read_kind
from release.tables.completeness import read_completeness
from release.tables.engine import query

_KEY = list(KEY)
# By which each list is graded.
_P_VALUES = {Finding.NAMED: "joint_p_value", Finding.UNEXPLAINED: "p_value"}
# Published probabilities are single precision.
_ROUNDING = 1e-5
_MATCHED = """
    SELECT catalogue, match_state, count(*), count(o.TARGETID)
    FROM read_parquet(?)
    LEFT JOIN (SELECT DISTINCT TARGETID FROM read_parquet(?)) o USING (TARGETID)
    WHERE match_rank = 1 GROUP BY ALL
"""
_SAME = (
    f"{', '.join(_KEY)}, anomaly_score, p_value, p_value_low, p_value_high, joint_p_value, "
    "finding, finding_p_value, q_value, tier, reason"
)
_UNLIKE = f"""
    SELECT count(*) FROM (
        SELECT {_SAME} FROM read_parquet(?) EXCEPT SELECT {_SAME} FROM read_parquet(?)
    )
"""


def check_tiers(path: Path, target: str) -> list[str]:
    """Tiers follow from q-values and the manifest's levels, which are those of the settings."""
    manifest = read_json(path / MANIFEST)
    settings = manifest["config"]["grade"]
    problems = [
        f"{grade} is {manifest['tiers'][grade]} in the manifest, {settings[grade]} in its settings"
        for grade in GRADES
        if manifest["tiers"][grade] != settings[grade]
    ]
    data = _read(path, target, ["q_value", "tier"])
    q_value = data["q_value"].to_numpy()
    expected = np.full(len(q_value), Tier.NONE.value, dtype=object)
    for grade in reversed(GRADES):
        expected[q_value <= manifest["tiers"][grade]] = grade.value
    n_wrong = int(np.count_nonzero(expected != data["tier"].to_numpy()))
    return problems + _say(n_wrong, "tiers disagree with their q-values")


def check_q_values(path: Path, target: str) -> list[str]:
    """The q-values are the Benjamini-Hochberg transform of each list, in which all others are 1."""
    told = ["finding", "finding_p_value", "q_value"]
    data = _read(path, target, [*_P_VALUES.values(), *told])
    is_listed = data["joint_p_value"].is_valid().to_numpy()
    is_told = np.stack([data[name].is_valid().to_numpy() for name in told])
    listed = data.filter(pa.array(is_listed))
    finding, p_value, q_value = (listed[name].to_numpy() for name in told)
    n_foreign, n_wrong = 0, 0
    for each, name in _P_VALUES.items():
        is_here, own = finding == each.value, listed[name].to_numpy()
        expected = adjust(np.where(is_here, own, 1.0))
        n_foreign += int((is_here & (p_value != own)).sum())
        n_wrong += int((is_here & ~np.isclose(q_value, expected, rtol=1e-9, atol=0)).sum())
    return [
        *_say(
            int((is_told != is_listed).any(axis=0).sum()),
            f"rows have only some of joint_p_value, {', '.join(told)}",
        ),
        *_say(n_foreign, "rows are graded by another p-value than that of their list"),
        *_say(n_wrong, "q-values are not the Benjamini-Hochberg transform of their list"),
    ]


def check_significance(path: Path, target: str) -> list[str]:
    """The catalogue repeats the significance of its spectra; p-values lie in their intervals."""
    [(n_other,)] = query(_UNLIKE, str(path / target), str(path / contents.SIGNIFICANCE))
    limits = _read(path, target, ["p_value_low", "p_value", "p_value_high"])
    low, p_value, high = (limits[name].to_numpy() for name in limits.column_names)
    return [
        *_say(n_other, "rows differ from calibration/significance.parquet"),
        *_say(
            int((~((low <= p_value) & (p_value <= high))).sum()),
            "p-values are outside their intervals",
        ),
    ]


def check_anomalies(path: Path, target: str) -> list[str]:
    """The anomalies are the graded rows of the catalogue, strangest first."""
    names = ["TARGETID", "tier", "finding_p_value"]
    anomalies = _read(path, target, names)
    graded = _read(path, read_kind(path).main_file, names).filter(
        pc.field("tier") != Tier.NONE.value
    )
    difference = set(map(_freeze, anomalies.to_pylist())) ^ set(map(_freeze, graded.to_pylist()))
    problems = _say(len(difference), "rows are not the graded rows of the catalogue")
    if np.any(np.diff(anomalies["finding_p_value"].to_numpy()) < 0):
        problems.append("not sorted by finding_p_value")
    return problems


def check_spectra(path: Path, target: str) -> list[str]:
    """Every graded object has a spectrum; the others are the reference sample."""
    tiers = _read_by_id(path, read_kind(path).main_file, "tier")
    shown = _read_by_id(path, target, "tier")
    n_reference = sum(tier == Tier.NONE for tier in shown.values())
    limit = read_json(path / MANIFEST)["config"]["reconstruct"]["reference_sample"]
    missing = [i for i, tier in tiers.items() if tier != Tier.NONE and i not in shown]
    strange = [i for i, tier in shown.items() if tiers.get(i) != tier]
    problems = _say(len(missing), "graded objects have no spectrum")
    problems += _say(len(strange), "spectra disagree with the tier in the catalogue")
    problems += _say(max(n_reference - limit, 0), "spectra beyond the reference sample")
    if list(shown) != sorted(shown):
        problems.append("not sorted by TARGETID")
    return problems


def check_classes(path: Path, target: str) -> list[str]:
    """Classes are the most probable ones, of probabilities that add up to 1, where classified.

    What stands out although normal is its most probable class is the most probable other one or
    unknown: nothing graded is normal. The class says on which list an object is; what has no
    signal is on none. Where nothing taught the classes, the score counts.
    """
    names = [
        "class_state",
        "anomaly_class",
        "class_probabilities",
        "artefact_probability",
        "artefact_kind",
        "p_value",
        "joint_p_value",
        "finding",
        "tier",
    ]
    data = _read(path, target, names)
    column = data["class_probabilities"].combine_chunks()
    words = read_kind(path).waist.classes.values()
    probability = column.flatten().to_numpy().reshape(data.num_rows, len(words))
    is_classified = pc.equal(data["class_state"], ClassState.CLASSIFIED.value).to_numpy()
    has_class = data["anomaly_class"].is_valid().to_numpy()
    has_artefact = data["artefact_probability"].is_valid().to_numpy()
    is_fault = pc.fill_null(pc.equal(data["anomaly_class"], ARTEFACT), False)
    given = probability[is_classified].astype(np.float64)
    best = np.array(words)[np.argmax(given, axis=1)]
    classes = data["anomaly_class"].to_numpy()[is_classified]
    second = np.array(words)[np.argmax(np.where(np.array(words) == NORMAL, -1, given), axis=1)]
    is_renamed = (best == NORMAL) & ((classes == UNKNOWN) | (classes == second))
    is_other = (best != classes) & ~is_renamed
    is_graded = pc.not_equal(data["tier"], Tier.NONE.value).to_numpy()
    is_normal = pc.fill_null(pc.equal(data["anomaly_class"], NORMAL), False).to_numpy()
    silent = (has_class != is_classified) | (has_artefact != is_classified)
    is_untaught = pc.equal(data["class_state"], ClassState.NO_EXAMPLES.value).to_numpy()
    is_listed = data["joint_p_value"].is_valid().to_numpy()
    is_plain = pc.is_in(data["anomaly_class"], pa.array([NORMAL, UNKNOWN, None], pa.string()))
    lists = np.where(is_plain.to_numpy(), Finding.UNEXPLAINED.value, Finding.NAMED.value)
    is_astray = is_listed & (data["finding"].to_numpy() != lists)
    untaught = data.filter(pa.array(is_untaught))
    n_other = int((untaught["p_value"].to_numpy() != untaught["joint_p_value"].to_numpy()).sum())
    return [
        *_say(int(silent.sum()), "rows have a class without being classified, or none in spite"),
        *_say(
            int(np.isfinite(probability[~is_classified]).any(axis=1).sum()),
            "rows have probabilities without being classified",
        ),
        *_say(
            int((~(np.abs(given.sum(axis=1) - 1) < _ROUNDING)).sum()),
            "rows have probabilities that do not add up to 1",
        ),
        *_say(int(is_other.sum()), "classes are not the most probable ones"),
        *_say(int((is_graded & is_normal).sum()), "graded objects are called normal"),
        *_say(int(is_astray.sum()), "rows are not on the list of their class"),
        *_say(
            int((data["artefact_kind"].is_valid().to_numpy() != is_fault.to_numpy()).sum()),
            "artefact kinds are not those of the class artefact",
        ),
        *_say(
            int((is_listed != is_classified | is_untaught).sum()),
            "rows without signal have a joint p-value, or others have none",
        ),
        *_say(n_other, "joint p-values differ from p_value without any class"),
    ]


def check_evidence(path: Path, target: str) -> list[str]:
    """Every row of evidence belongs to an object, and every graded, classified object has some."""
    evidence = _read(path, target, [*_KEY, "feature"])
    quasars = _read(path, read_kind(path).main_file, [*_KEY, "tier", "class_state"])
    known = {*read_kind(path).waist.features, *CHANGES}
    strange = set(pc.unique(evidence["feature"]).to_pylist()) - known
    n_lost = evidence.num_rows - evidence.join(quasars, _KEY, join_type="inner").num_rows
    told = evidence.select(_KEY).group_by(_KEY).aggregate([])
    is_graded = pc.and_(
        pc.not_equal(quasars["tier"], Tier.NONE.value),
        pc.equal(quasars["class_state"], ClassState.CLASSIFIED.value),
    )
    untold = quasars.filter(is_graded).join(told, _KEY, join_type="left anti").num_rows
    problems = [f"unknown features {sorted(strange)}"] if strange else []
    problems += _say(n_lost, "rows are of objects that are not in the catalogue")
    return problems + _say(untold, "graded objects have no evidence")


def check_changes(path: Path, target: str) -> list[str]:
    """Changes are of published objects, stated where compared, and judged by the settings."""
    rows = pq.ParquetFile(path / target).read()
    levels = read_json(path / MANIFEST)["config"]["earlier"]
    quasars = _read(path, read_kind(path).main_file, _KEY)
    n_lost = rows.num_rows - rows.select(_KEY).join(quasars, _KEY, join_type="inner").num_rows
    is_measured = pc.equal(rows["change_state"], ChangeState.MEASURED.value).to_numpy()
    # What lies on a level to rounding may be on either side of it.
    surely, perhaps = (
        _find_changed(rows, levels["min_change"] * (1 + way), levels["max_left"] * (1 - way))
        for way in (_ROUNDING, -_ROUNDING)
    )
    is_said = rows["has_changed"].to_numpy()
    return [
        *_say(n_lost, "rows are of objects that are not in the catalogue"),
        *_say(
            int((rows["flux_scale"].is_valid().to_numpy() != is_measured).sum()),
            "rows have a flux_scale without being measured, or none in spite",
        ),
        *_say(
            int(((surely & ~is_said) | (is_said & ~perhaps)).sum()),
            "rows have another has_changed than the settings make of their lines",
        ),
    ]


def check_matches(path: Path, target: str) -> list[str]:
    """Every object has a state in every catalogue, and the catalogues count them truly."""
    found = query(_MATCHED, str(path / target), str(path / read_kind(path).main_file))
    counts = {(catalogue, state): n_rows for catalogue, state, n_rows, _ in found}
    stated = [f"n_{state}" for state in MatchState]
    catalogues = _read(path, contents.CATALOGUES, ["catalogue", *stated])
    wrong = [
        f"{row['catalogue']}: counts of {state}"
        for row in catalogues.to_pylist()
        for state in MatchState
        if row[f"n_{state}"] != counts.get((row["catalogue"], state), 0)
    ]
    n_objects = pq.read_metadata(path / read_kind(path).main_file).num_rows
    n_missing = n_objects * catalogues.num_rows - sum(n_known for *_, n_known in found)
    return _say(n_missing, "pairs of object and catalogue have no state") + wrong


def check_reviews(path: Path, target: str) -> list[str]:
    """Every review's object is in the catalogue, whose status is what the reviews come to."""
    rows = pq.ParquetFile(path / target).read()
    statuses = _read_by_id(path, read_kind(path).main_file, "review_status")
    reviews = read_rows(rows, read_json(path / MANIFEST)["source"]["sample"])
    is_stated = rows["is_in_force"].to_pylist()
    standing = {review.review_id for review in select_in_force(reviews)}
    strangers = {review.targetid for review in reviews} - statuses.keys()
    expected = {targetid: each.status for targetid, each in find_consensus(reviews).items()}
    n_wrong = sum(
        status != expected.get(targetid, ReviewStatus.UNREVIEWED)
        for targetid, status in statuses.items()
    )
    n_force = sum((r.review_id in standing) != f for r, f in zip(reviews, is_stated, strict=True))
    return [
        *_say(len(strangers), "reviewed objects are not in the catalogue"),
        *_say(n_wrong, "objects have another review_status than their reviews come to"),
        *_say(n_force, "reviews are wrongly stated to be in force or not"),
    ]


def check_counts(path: Path, target: str) -> list[str]:
    """The counts of the manifest are those of the files."""
    outcomes = _read_outcomes(path)
    kind = read_kind(path)
    manifest = read_json(path / target)
    rows = _read(path, kind.main_file, ["finding", "tier"])
    graded = Counter(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))
    levels: dict[Tier, float] = {grade: manifest["tiers"][grade] for grade in GRADES}
    found: dict[str, Any] = {
        kind.main: rows.num_rows,
        **count_grades(graded, levels),
        "population": pq.read_metadata(path / contents.NULL).num_rows,
        "gates": sum_gates(outcomes),
        "reviews": _count_reviews(path, manifest["counts"]),
        "shards": {
            "done": sum(outcome.stage == RELEASE_STAGE for outcome in outcomes),
            "failed": sum(outcome.state == ShardState.FAILED for outcome in outcomes),
        },
    }
    if contents.SPECTRA in kind.files:
        found["spectra"] = pq.read_metadata(path / contents.SPECTRA).num_rows
    stated = manifest["counts"]
    return [
        f"{name}: the manifest says {stated.get(name)}, the files {count}"
        for name, count in found.items()
        if stated.get(name) != count
    ]


def check_conservation(path: Path, target: str) -> list[str]:
    """Rows given are rows made plus rows dropped, from the first stage to the catalogue."""
    outcomes = _read_outcomes(path)
    stages = PATHS[read_kind(path).name].conserved
    problems = find_breaks(outcomes, (*stages, RELEASE_STAGE))
    rows = _read(path, read_kind(path).main_file, ["SURVEY", "PROGRAM", "HEALPIX"])
    published = rows.group_by(rows.column_names).aggregate([([], "count_all")])
    counts = Counter({Shard(*key): count for *key, count in map(_freeze, published.to_pylist())})
    counts.subtract({o.shard: o.n_made for o in outcomes if o.stage == RELEASE_STAGE})
    wrong = [shard for shard, difference in sorted(counts.items()) if difference]
    return problems + [f"{shard}: the catalogue holds another number of rows" for shard in wrong]


def adjust(p_value: np.ndarray) -> np.ndarray:
    """Return Benjamini-Hochberg q-values."""
    order = np.argsort(p_value, kind="stable")
    raw = p_value[order] * len(p_value) / np.arange(1, len(p_value) + 1)
    q_value = np.empty_like(raw)
    q_value[order] = np.minimum.accumulate(raw[::-1])[::-1]
    return q_value


def _find_changed(rows: pa.Table, min_change: float, max_left: float) -> np.ndarray:
    """Return which rows have a line whose change exceeds the levels."""
    has_changed = np.zeros(rows.num_rows, bool)
    for line in CHANGED_LINES:
        now, then, change = (
            pc.fill_null(rows[f"{line}_{name}"], np.nan).to_numpy()
            for name in ("flux", "earlier_flux", "change")
        )
        bright = np.maximum(now, then)
        is_gone = (np.minimum(now, then) <= max_left * bright) & (bright > 0)
        has_changed |= (np.abs(change) > min_change) & is_gone
    return has_changed


def _count_reviews(path: Path, stated: dict[str, Any]) -> dict[str, int]:
    # How many were left out, only the builder could count.
    n_left_out = stated.get("reviews", {}).get("left_out", 0)
    return {"published": pq.read_metadata(path / contents.REVIEWS).num_rows, "left_out": n_left_out}


def _read(path: Path, target: str, names: list[str]) -> pa.Table:
    return pq.ParquetFile(path / target).read(columns=names)


def _read_outcomes(path: Path) -> list[Outcome]:
    tables = (contents.COMPLETENESS, contents.GATES)
    return read_completeness(*(pq.ParquetFile(path / table).read() for table in tables))


def _read_by_id(path: Path, target: str, name: str) -> dict[int, str]:
    data = _read(path, target, ["TARGETID", name])
    return dict(zip(data["TARGETID"].to_pylist(), data[name].to_pylist(), strict=True))


def _freeze(row: dict[str, Any]) -> tuple:
    return tuple(row.values())


def _say(count: int, problem: str) -> list[str]:
    return [f"{count} {problem}"] if count else []
