"""The documents of a release, rendered from its manifest, its ledger and the schema."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from catalog_schema import contents, macros
from catalog_schema.column import Column
from catalog_schema.kinds import SPECTRA
from catalog_schema.statistics import COUNTED, STRANGE_P_VALUE, find_smallest_counted
from catalog_schema.vocabulary import ChangeState, MatchState, ShardState, Tier
from pipeline.flow.kinds import PATHS
from pipeline.ledger.books import Outcome, balance
from release.conservation import (
    NEGATIVE_CONTROL,
    RELEASE_STAGE,
    REPEAT_OBSERVATION,
    SHARD_FAILED,
)
from release.credit import LICENCE_URL, find_words, make_citation
from release.faces.registry import list_faces
from release.manifest import MANIFEST, find_kind
from release.rendering import TEMPLATES, find_template, render
from release.sealing import CHECKSUMS
from release.tables.evidence import BRIGHT_SNR, SUMMARY
from release.tables.spectra import read_grid

_TEXTS = {
    contents.SIGNIFICANCE: "Calibrated significance of everything that was scored, repeat "
    "observations included.",
}
README, _CREDIT = "README.md", ("ACKNOWLEDGEMENTS.md", "LICENSE", "CITATION.cff")
# Python may have left it beside the examples.
_COMPILED = ".pyc"
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
    kind = find_kind(manifest)
    grid = read_grid(folder) if contents.SPECTRA in kind.files else None
    faces = {face.files: face.paragraph for face in list_faces(kind)}
    facts = {
        **manifest,
        "waist": kind.waist,
        "licence_url": LICENCE_URL,
        "citation": make_citation(manifest["source"]),
        "files": kind.files,
        "beside": faces | list_others(kind.words),
        "evidence": evidence,
        "found_below": STRANGE_P_VALUE,
        "counted": COUNTED,
        "smallest_counted": find_smallest_counted(manifest["counts"]["population"]),
        "bright_snr": BRIGHT_SNR,
        "texts": _TEXTS
        | {contents.ANOMALIES: f"The graded rows of {kind.main}.parquet, strangest first."},
        "wave_rule": grid and grid.rule,
        "tables": list(dict.fromkeys(kind.files.values())),
        "n_pixels": grid and grid.size,
        "grades": list(Tier),
        "change_states": list(ChangeState),
        "match_states": list(MatchState),
        "anomaly_classes": list(kind.waist.classes),
        "measurements": kind.waist.measurements,
        "size_category": _size_category(manifest["counts"][kind.main]),
        "stages": {
            stage: balance(outcome for outcome in outcomes if outcome.stage == stage)
            for stage in (*PATHS[kind.name].conserved, RELEASE_STAGE)
        },
        "gates": _sum_gates(outcomes),
        "failed": [outcome for outcome in outcomes if outcome.state == ShardState.FAILED],
        "n_repeats": manifest["counts"]["gates"].get(REPEAT_OBSERVATION, 0),
        "n_controls": manifest["counts"]["gates"].get(NEGATIVE_CONTROL, 0),
        "n_lost": manifest["counts"]["gates"].get(SHARD_FAILED, 0),
        "describe_type": partial(describe_type, grid.size if grid else 0),
    }
    if (verbatim := TEMPLATES / kind.words / "verbatim").is_dir():
        _copy(verbatim, folder, kind.main)
    script = folder / macros.SCRIPT
    script.parent.mkdir(exist_ok=True)
    script.write_text(macros.write_script(kind), encoding="utf-8")
    words = find_words(manifest["source"])
    for name, folder_of_words in ((README, kind.words), *((name, words) for name in _CREDIT)):
        text = render(find_template(f"{name}.j2", folder_of_words), facts)
        (folder / name).write_text(text, encoding="utf-8")


def _copy(verbatim: Path, folder: Path, main: str) -> None:
    """Copy recipes and examples, which know the main table as that of quasars."""
    for source in sorted(path for path in verbatim.rglob("*.*") if path.suffix != _COMPILED):
        target = folder / source.relative_to(verbatim)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(re.sub(rf"\b{SPECTRA.main}\b", main, text), encoding="utf-8")


def list_others(kind: str) -> dict[tuple[str, ...], str]:
    """Return what a release of a kind of data holds beside tables and faces, in words."""
    recipes: dict[tuple[str, ...], str] = {
        ("sql/", "examples/"): "Views, macros and recipes for DuckDB; scripts that open the "
        "release; a notebook to start with (`examples/quickstart.ipynb`).",
    }
    if not (TEMPLATES / kind / "verbatim").is_dir():
        recipes = {("sql/",): "Views and macros for DuckDB."}
    return {
        ("model/",): "The model's parameters, its card and the samples that calibrate it.",
        ("schema/schema.json",): "Every column of every table, for programs.",
        **recipes,
        (SUMMARY,): "The figures of the tables below, on how far to trust the score.",
        ("README.md", "CHANGELOG.md"): "This text; what changed since the previous release, and "
        "why.",
        (MANIFEST,): "Inputs, settings, code, instruction set, counts and levels of this release.",
        ("ACKNOWLEDGEMENTS.md", "LICENSE", "CITATION.cff"): "Credit and terms.",
        (CHECKSUMS,): "Checksum of every other file.",
    }


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
