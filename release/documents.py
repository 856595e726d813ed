"""The documents of a release, rendered from its manifest, its ledger and the schema."""

import shutil
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from catalog_schema import contents, kinds, macros
from catalog_schema.column import Column
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.vocabulary import AnomalyClass, ChangeState, MatchState, ShardState, Tier
from pipeline.flow.paths import PATHS
from pipeline.ledger.books import Outcome, balance
from release.conservation import (
    NEGATIVE_CONTROL,
    RELEASE_STAGE,
    REPEAT_OBSERVATION,
    SHARD_FAILED,
)
from release.credit import CITATION, LICENCE_URL
from release.faces.registry import FACES
from release.manifest import MANIFEST
from release.rendering import render
from release.sealing import CHECKSUMS
from release.tables.evidence import BRIGHT_SNR, SUMMARY
from release.tables.spectra import read_grid

_TEXTS = {
    contents.ANOMALIES: "The graded rows of quasars.parquet, strangest first.",
    contents.SIGNIFICANCE: "Calibrated significance of every scored spectrum, repeat "
    "observations included.",
}
# What a release holds beside tables and faces.
OTHERS = {
    ("model/",): "The network's weights, its card and the samples that calibrate it.",
    ("schema/schema.json",): "Every column of every table, for programs.",
    ("sql/", "examples/"): "Views, macros and recipes for DuckDB; scripts that open the release; a "
    "notebook to start with (`examples/quickstart.ipynb`).",
    (SUMMARY,): "The figures of the tables below, on how far to trust the score.",
    ("README.md", "CHANGELOG.md"): "This text; what changed since the previous release, and why.",
    (MANIFEST,): "Inputs, settings, code, instruction set, counts and levels of this release.",
    ("ACKNOWLEDGEMENTS.md", "LICENSE", "CITATION.cff"): "Credit and terms.",
    (CHECKSUMS,): "Checksum of every other file.",
}
# Recipes and examples, the same in every release.
_VERBATIM = Path(__file__).parent / "templates" / "verbatim"
_DOCUMENTS = ("README.md", "ACKNOWLEDGEMENTS.md", "LICENSE", "CITATION.cff")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def write_documents(
    folder: Path, manifest: dict[str, Any], outcomes: Sequence[Outcome], evidence: dict[str, Any]
) -> None:
    """Render README, acknowledgements, licence, citation, SQL and examples into a release.

    Parameters
    ----------
    folder : Path
    manifest : dict
    outcomes : sequence of Outcome
        The ledger, the release's own step included.
    evidence : dict
        Summary of the validation tables.
    """
    grid = read_grid(folder)
    facts = {
        **manifest,
        "licence_url": LICENCE_URL,
        "citation": CITATION,
        "files": kinds.SPECTRA.files,
        "beside": {face.files: face.paragraph for face in FACES} | OTHERS,
        "evidence": evidence,
        "found_below": STRANGE_P_VALUE,
        "bright_snr": BRIGHT_SNR,
        "texts": _TEXTS,
        "wave_rule": grid.rule,
        "tables": list(dict.fromkeys(kinds.SPECTRA.files.values())),
        "n_pixels": grid.size,
        "grades": list(Tier),
        "change_states": list(ChangeState),
        "match_states": list(MatchState),
        "anomaly_classes": list(AnomalyClass),
        "measurements": MEASUREMENTS,
        "size_category": _size_category(manifest["counts"]["quasars"]),
        "stages": {
            stage: balance(outcome for outcome in outcomes if outcome.stage == stage)
            for stage in (*PATHS[manifest["kind"]].conserved, RELEASE_STAGE)
        },
        "gates": _sum_gates(outcomes),
        "failed": [outcome for outcome in outcomes if outcome.state == ShardState.FAILED],
        "n_repeats": manifest["counts"]["gates"].get(REPEAT_OBSERVATION, 0),
        "n_controls": manifest["counts"]["gates"].get(NEGATIVE_CONTROL, 0),
        "n_lost": manifest["counts"]["gates"].get(SHARD_FAILED, 0),
        "describe_type": partial(describe_type, grid.size),
    }
    shutil.copytree(_VERBATIM, folder, dirs_exist_ok=True)
    (folder / macros.SCRIPT).write_text(macros.write_script(), encoding="utf-8")
    for name in _DOCUMENTS:
        (folder / name).write_text(render(f"{name}.j2", facts), encoding="utf-8")


def describe_type(n_pixels: int, column: Column) -> str:
    """Say a column's type in the words of the data dictionary."""
    if column.array is None:
        return str(column.type)
    size = n_pixels if column.array == "wave" else column.size
    return f"{column.type}[{size or column.array}]"


def _size_category(n_rows: int) -> str:
    return next((name for limit, name in _SIZES if n_rows < limit), "1M<n<10M")


def _sum_gates(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], int]:
    sums: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        sums.update({(outcome.stage, gate): count for gate, count in outcome.dropped.items()})
    return {key: count for key, count in sums.items() if count}
