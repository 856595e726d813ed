"""The documents of a release, rendered from its manifest, its ledger and the schema."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog_schema import contents, macros
from catalog_schema.column import Column
from catalog_schema.desi import WAVE_START, WAVE_STEP
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.tables import DIMENSIONS
from catalog_schema.vocabulary import AnomalyClass, ChangeState, MatchState, ShardState, Tier
from pipeline.ledger.books import Outcome, balance
from release.checks.conservation import (
    NEGATIVE_CONTROL,
    RELEASE_STAGE,
    REPEAT_OBSERVATION,
    SHARD_FAILED,
    STAGES,
)
from release.tables.evidence import BRIGHT_SNR

if TYPE_CHECKING:
    from jinja2 import Template

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
CITATION = (
    "DESI-QAD; DESI Collaboration et al. 2026, Data Release 1 of the Dark Energy "
    "Spectroscopic Instrument, AJ 171, 285 (arXiv:2503.14745)"
)
_TEXTS = {
    contents.ANOMALIES: "The graded rows of quasars.parquet, strangest first.",
    contents.SIGNIFICANCE: "Calibrated significance of every scored spectrum, repeat "
    "observations included.",
}
# Recipes and examples, the same in every release.
_VERBATIM = Path(__file__).parent / "templates" / "verbatim"
_DOCUMENTS = ("README.md", "ACKNOWLEDGEMENTS.md", "LICENSE", "CITATION.cff")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def make_notes(title: str, version: str) -> dict[str, str]:
    """Return the metadata of every published Parquet file: each one may travel alone."""
    return {
        "title": title,
        "version": version,
        "license": f"CC BY 4.0, {LICENCE_URL}",
        "citation": CITATION,
        "acknowledgement": render("desi_acknowledgement.txt", {}).strip(),
    }


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
    facts = {
        **manifest,
        "licence_url": LICENCE_URL,
        "citation": CITATION,
        "files": contents.FILES,
        "evidence": evidence,
        "found_below": STRANGE_P_VALUE,
        "bright_snr": BRIGHT_SNR,
        "texts": _TEXTS,
        "wave_start": WAVE_START,
        "wave_step": WAVE_STEP,
        "tables": list(dict.fromkeys(contents.FILES.values())),
        "dimensions": DIMENSIONS,
        "grades": list(Tier),
        "change_states": list(ChangeState),
        "match_states": list(MatchState),
        "anomaly_classes": list(AnomalyClass),
        "measurements": MEASUREMENTS,
        "size_category": _size_category(manifest["counts"]["quasars"]),
        "stages": {
            stage: balance(outcome for outcome in outcomes if outcome.stage == stage)
            for stage in (*STAGES, RELEASE_STAGE)
        },
        "gates": _sum_gates(outcomes),
        "failed": [outcome for outcome in outcomes if outcome.state == ShardState.FAILED],
        "n_repeats": manifest["counts"]["gates"].get(REPEAT_OBSERVATION, 0),
        "n_controls": manifest["counts"]["gates"].get(NEGATIVE_CONTROL, 0),
        "n_lost": manifest["counts"]["gates"].get(SHARD_FAILED, 0),
        "describe_type": describe_type,
    }
    shutil.copytree(_VERBATIM, folder, dirs_exist_ok=True)
    (folder / macros.SCRIPT).write_text(macros.write_script(), encoding="utf-8")
    for name in _DOCUMENTS:
        (folder / name).write_text(render(f"{name}.j2", facts), encoding="utf-8")


def describe_type(column: Column) -> str:
    """Say a column's type in the words of the data dictionary."""
    if column.array is None:
        return str(column.type)
    return f"{column.type}[{DIMENSIONS[column.array] or column.array}]"


def _size_category(n_rows: int) -> str:
    return next((name for limit, name in _SIZES if n_rows < limit), "1M<n<10M")


def _sum_gates(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], int]:
    sums: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        sums.update({(outcome.stage, gate): count for gate, count in outcome.dropped.items()})
    return {key: count for key, count in sums.items() if count}


def render(name: str, facts: dict[str, Any]) -> str:
    """Fill a template of this package."""
    return load_template(name).render(facts)


def load_template(name: str) -> "Template":
    """Return a template of this package; in HTML all text is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("release"),
        undefined=jinja2.StrictUndefined,
        autoescape=name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
