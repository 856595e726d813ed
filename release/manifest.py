"""The manifest: what a release holds and what exactly it was made from."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalog_schema import kinds
from catalog_schema.grids import Sampling
from catalog_schema.kind import Kind
from catalog_schema.tables import SCHEMA_VERSION
from catalog_schema.vocabulary import Finding, MatchState, Tier
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.ledger.books import Outcome
from release.conservation import sum_gates
from release.credit import make_title
from release.inputs import MODEL_CARD, Inputs

MANIFEST = "manifest.json"
_PACKAGE_DATE = "2026-11-21"
GRADES = tuple(tier for tier in Tier if tier is not Tier.NONE)
# Of an expected number of objects: more is rounding.
_DECIMALS = 6


def make_manifest(
    version: str,
    config: Config,
    inputs: Inputs,
    fingerprint: str,
    counts: dict[str, Any],
    catalogues: pa.Table,
    sampling: Sampling | None,
) -> dict[str, Any]:
    """Assemble the manifest; without clock, host or path: equal inputs give equal bytes.

    Parameters
    ----------
    version : str
    config : Config
    inputs : Inputs
    fingerprint : str
        Digest of everything that the release is made from.
    counts : dict
        Rows by table, tier, list, gate and shard state (see `count_rows`).
    catalogues : pyarrow.Table
        Rows of `catalogues`; those that were searched are named.
    sampling : Sampling
        Of the spectra, where there are any.
    """
    code = find_code()
    return {
        "version": version,
        "title": make_title(config.release.title, inputs.kind),
        "kind": inputs.kind.name,
        "list": inputs.kind.main,
        "date": find_date(code["commit"]),
        "schema_version": SCHEMA_VERSION,
        "source": inputs.source,
        "code": code,
        "instruction_set": inputs.instruction_set,
        "model": {"id": inputs.model_id, "content": inputs.model[MODEL_CARD]},
        "config": inputs.config,
        "data": inputs.data,
        **({"sampling": sampling.to_json()} if sampling else {}),
        "counts": counts,
        "catalogues": _describe_catalogues(catalogues),
        "tiers": {grade.value: config.grade.levels[grade] for grade in GRADES},
        "fingerprint": fingerprint,
    }


def _describe_catalogues(catalogues: pa.Table) -> list[dict[str, Any]]:
    names = ("catalogue", "catalogue_title", "location", "file_digest", "query_date")
    counts = [f"n_{state.value}" for state in MatchState]
    return [
        {name: row[name] for name in (*names, *counts, "chance_rate", "acknowledgement")}
        for row in catalogues.to_pylist()
        if row["access"] != "none"
    ]


def count_rows(
    inputs: Inputs,
    outcomes: tuple[Outcome, ...],
    graded: Mapping[tuple[str | None, str], int],
    levels: Mapping[Tier, float],
    n_spectra: int | None,
) -> dict[str, Any]:
    """Count what the manifest states and `qad release validate` recounts.

    Parameters
    ----------
    inputs : Inputs
    outcomes : tuple of Outcome
    graded : mapping
        Objects by list, or None where on no list, and tier.
    levels : mapping
        False-discovery level of every tier but the last.
    n_spectra : int or None
    """
    return {
        inputs.kind.main: sum(graded.values()),
        **count_grades(graded, levels),
        **({} if n_spectra is None else {"spectra": n_spectra}),
        "gates": sum_gates(outcomes),
        "shards": {"done": len(inputs.shards), "failed": len(inputs.account.failed)},
    }


def count_grades(
    graded: Mapping[tuple[str | None, str], int], levels: Mapping[Tier, float]
) -> dict[str, Any]:
    """Count objects by tier, by list and tier, and how many of these are expected to be false.

    Parameters
    ----------
    graded, levels
        As `count_rows` takes them.

    Returns
    -------
    dict
        ``tiers``; ``findings``, by list; ``expected_false``, by list: of the objects at or above
        each tier, the share that its level allows.
    """
    lists = {
        finding.value: {tier.value: graded.get((finding.value, tier.value), 0) for tier in Tier}
        for finding in Finding
    }
    counted: Counter[str] = Counter()
    for (_, tier), count in graded.items():
        counted[tier] += count
    return {
        "tiers": {tier.value: counted[tier.value] for tier in Tier},
        "findings": lists,
        "expected_false": {name: _expect_false(counts, levels) for name, counts in lists.items()},
    }


def _expect_false(counts: Mapping[str, int], levels: Mapping[Tier, float]) -> dict[str, float]:
    n_kept = accumulate(counts[grade.value] for grade in GRADES)
    return {
        grade.value: round(levels[grade] * n, _DECIMALS)
        for grade, n in zip(GRADES, n_kept, strict=True)
    }


def find_code() -> dict[str, Any]:
    """Return the package's version and, when it runs from a checkout, commit and state."""
    folder = Path(__file__).parent
    code: dict[str, Any] = {"version": metadata.version("desi-qad"), "commit": None, "dirty": None}
    # An installed copy may lie inside somebody else's checkout.
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return code
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return code | {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": bool(changes)}


def find_date(commit: str | None) -> str:
    """Return the day that a release states, which follows its code and not the clock.

    It is that of ``SOURCE_DATE_EPOCH`` where it is set, else of the commit, else of this version
    of the package.
    """
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    if commit:
        return str(_git(Path(__file__).parent, "log", "-1", "--format=%cs", commit))
    return _PACKAGE_DATE


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a release, or None where there is none."""
    try:
        values = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and "fingerprint" in values else None


def find_kind(manifest: Mapping[str, Any]) -> Kind:
    """Return the kind of data of a release.

    Raises
    ------
    UserError
        If this program does not know it.
    """
    try:
        return kinds.find_kind(manifest)
    except ValueError as error:
        version = manifest.get("version", "without version")
        raise UserError(f"release {version}: {error}; take the one that made it") from None


def read_kind(folder: Path) -> Kind:
    """Return the kind of data of a release; spectra where its manifest is damaged."""
    try:
        values = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        values = None
    return find_kind(values if isinstance(values, dict) else {})


def read_json(path: Path) -> Any:
    """Return the values of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON for people and for diffs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
