"""What a published release says of itself.

A release may come from anybody: what it says is checked here, once, and is data everywhere else.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog_schema.contents import name_list
from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS, SPECTRA
from catalog_schema.statistics import find_smallest_counted
from catalog_schema.vocabulary import Tier
from portal.data import checksums
from portal.data.texts import clean

ANOMALOUS = tuple(tier.value for tier in Tier if tier is not Tier.NONE)
CHECK_ADVICE = "Fetch the release again and check it with `sha256sum -c SHA256SUMS`."
MISSING = "is missing"
# Of a file that the release's list of checksums does not promise either.
ABSENT = "is not part of this release"
SPECTRA_KIND = "spectra"
# What a version may be that stands in addresses, headers and names of files.
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
# A kind of data or a list: a word of addresses, of SQL and of files.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# What every release has.
ALWAYS = ("manifest.json", checksums.LIST)
# Sections of a manifest and their members that are shown.
_TEXTS = (
    ("source", "specprod"),
    ("source", "kind"),
    ("source", "sample"),
    ("model", "id"),
    ("code", "version"),
    ("code", "commit"),
)
# Of a text of a release; the longest list of checksums stays far below.
_MAX_BYTES = 64 << 20


Row = dict[str, Any]


class ReleaseError(Exception):
    """A release that cannot be shown; the message is one line: what, where, what to do."""


class AbsentError(ReleaseError):
    """What a release was made without, which is no fault of it."""


@dataclass(frozen=True)
class Release:
    """One release directory and its manifest, which `open_release` has checked."""

    root: Path
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Semantic version."""
        return str(self.manifest.get("version", self.root.name))

    @property
    def title(self) -> str:
        """Title as to be cited."""
        return clean(str(self.manifest.get("title", "DESI-QAD catalogue")))

    @property
    def date(self) -> str:
        """Day of the build, empty where it is not told."""
        return clean(str(self.manifest.get("date", "")))

    @property
    def kind(self) -> str:
        """Kind of data that the objects come from: spectra, tables, images."""
        return self.declared.words if self._kind in KINDS else self._kind

    @property
    def declared(self) -> Kind:
        """What is declared of its kind; of one that is not known here, what is of spectra."""
        return KINDS.get(self._kind, SPECTRA)

    @property
    def _kind(self) -> str:
        return str(self.manifest.get("kind", SPECTRA_KIND))

    @property
    def list_name(self) -> str:
        """Name of the main table, e.g. quasars."""
        return str(self.manifest.get("list", "quasars"))

    @property
    def catalogue(self) -> str:
        """Where the main table lies below the release."""
        kind = self.declared
        return kind.main_file if self.list_name == kind.main else name_list(self.list_name)

    @property
    def is_mock(self) -> bool:
        """Whether the spectra are simulated, so that positions lead nowhere on the real sky."""
        return self._section("source").get("kind") == "mock"

    @property
    def is_desi(self) -> bool:
        """Whether the spectra are of one of DESI's reductions."""
        return "specprod" in self._section("source")

    @property
    def sample(self) -> str | None:
        """Name of the sample whose TARGETIDs the release holds; older releases tell none."""
        sample: str | None = self._section("source").get("sample")
        return sample

    @property
    def sampling(self) -> Sampling:
        """Grid and arms of the published spectra; DESI's where it tells none."""
        try:
            sampling = Sampling.from_json(self._section("sampling"))
        except (KeyError, TypeError):
            return SAMPLING
        grid, arms = sampling.grid, sampling.arms
        ends = (end for arm in arms for end in (arm.first, arm.last))
        is_known = all(map(_is_number, (grid.start, grid.step, grid.size, *ends)))
        return sampling if arms and is_known else SAMPLING

    @property
    def levels(self) -> dict[str, float]:
        """False-discovery level of each tier that states one."""
        return {tier: float(level) for tier, level in self._section("tiers").items()}

    @property
    def n_objects(self) -> int:
        """Number of rows that the manifest states, 0 where it states none."""
        return int(self._section("counts").get(self.list_name, 0))

    @property
    def smallest_counted(self) -> float:
        """The p-value below which it is extrapolated, 0 where the manifest tells no population."""
        population = self._section("counts").get("population", 0)
        return find_smallest_counted(population) if population > 0 else 0.0

    @property
    def tier_counts(self) -> dict[str, int]:
        """Number of objects of each tier that the manifest states."""
        return dict(self._section("counts").get("tiers", {}))

    @property
    def findings(self) -> dict[str, dict[str, int]]:
        """Number of objects of each tier of each list that the manifest states."""
        return dict(self._section("counts").get("findings", {}))

    @property
    def expected_false(self) -> dict[str, dict[str, float]]:
        """How many at or above each tier of each list are normal, at most, by the manifest."""
        return dict(self._section("counts").get("expected_false", {}))

    def setting(self, section: str, name: str) -> float | None:
        """Return a number among the settings with which the release was made, None if untold."""
        told = self._section("config").get(section)
        value = told.get(name) if isinstance(told, dict) else None
        return float(value) if isinstance(value, int | float) and _is_number(value) else None

    @property
    def facts(self) -> dict[str, str]:
        """Short facts for the page: reduction, code, model, schema."""
        source, code, model = map(self._section, ("source", "code", "model"))
        facts = {
            "Reduction (specprod)": source.get("specprod"),
            "Source": source.get("kind"),
            "Model": model.get("id"),
            "Code": code.get("version"),
            "Commit": code.get("commit"),
            "Schema": self.manifest.get("schema_version"),
        }
        return {name: clean(str(value)) for name, value in facts.items() if value}

    def find(self, name: str) -> Path:
        """Return where a file of the release lies.

        Raises
        ------
        AbsentError
            If the release was made without it.
        ReleaseError
            If it is missing, no plain file, a link that leads out of the release, or not what the
            release's checksums say.
        """
        fault = find_fault(self.root, name)
        if fault == ABSENT:
            raise AbsentError(f"`{name}` {fault}.")
        if fault:
            raise ReleaseError(self._tell(name, fault))
        return (self.root / name).resolve()

    def read(self, name: str) -> str:
        """Return the text of a file of the release.

        Raises
        ------
        ReleaseError
            If it is missing, no text or longer than any text of a release.
        """
        path = self.find(name)
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ReleaseError(self._tell(name, f"is longer than {_MAX_BYTES >> 20} MiB"))
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            raise ReleaseError(self._tell(name, "cannot be read")) from None

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON object of the release.

        Raises
        ------
        ReleaseError
            If it is missing or no JSON object of finite numbers.
        """
        try:
            content = json.loads(self.read(name), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise ReleaseError(self._tell(name, "is not a JSON object"))
        return content

    def read_records(self, name: str, key: str, words: str, numbers: tuple[str, ...]) -> list[Row]:
        """Return a list of records of a JSON object of the release.

        Parameters
        ----------
        name : str
            The file.
        key : str
            Name of the list in it; without it there are no records.
        words : str
            The member that holds a word.
        numbers : tuple of str
            The members that hold numbers, null where one is not told.

        Raises
        ------
        ReleaseError
            If the file is missing or damaged or its records are others.
        """
        rows = self.read_json(name).get(key, [])
        if not isinstance(rows, list) or not all(_is_record(row, words, numbers) for row in rows):
            raise ReleaseError(self._tell(name, f"holds other {key} than this portal knows"))
        return [
            {words: clean(row[words]), **{number: row.get(number) for number in numbers}}
            for row in rows
        ]

    def _tell(self, name: str, fault: str) -> str:
        return f"`{name}` {fault} in release `{self.root.name}`. {CHECK_ADVICE}"

    def _section(self, name: str) -> dict[str, Any]:
        section: dict[str, Any] = self.manifest.get(name, {})
        return section


def open_release(root: Path) -> Release:
    """Read and check a release's manifest.

    Raises
    ------
    ReleaseError
        If the manifest is missing, damaged or says what no manifest says.
    """
    release = Release(root, Release(root, {}).read_json("manifest.json"))
    if fault := _check_manifest(release.manifest, root):
        raise ReleaseError(release._tell("manifest.json", f"says {fault}"))
    return release


def find_fault(root: Path, name: str) -> str | None:
    """Return what keeps a file of a release from being opened, or None.

    A file that is not there was lost only where the release's checksums name it.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        return "is a link that leads out of the release"
    if path.is_file():
        return checksums.find_mismatch(root, name)
    is_lost = name in ALWAYS or checksums.is_listed(root, name) or path.exists()
    return MISSING if is_lost else ABSENT


def _check_manifest(manifest: dict[str, Any], root: Path) -> str | None:
    """Return what is wrong with what the portal uses of a manifest."""
    version = manifest.get("version", root.name)
    if not (isinstance(version, str) and _WORD.fullmatch(version)):
        return "a version that is none"
    for name in ("kind", "list"):
        if not (
            isinstance(manifest.get(name, "x"), str) and _NAME.fullmatch(manifest.get(name, "x"))
        ):
            return f"a {name} that is no plain word"
    for name in ("title", "date", "schema_version"):
        if not isinstance(manifest.get(name, ""), str):
            return f"a {name} that is no text"
    for name in ("source", "code", "model", "counts", "tiers", "config"):
        if not isinstance(manifest.get(name, {}), dict):
            return f"{name} that are no object"
    for name, key in _TEXTS:
        if not isinstance(manifest.get(name, {}).get(key, ""), str):
            return f"a {name}.{key} that is no text"
    return _check_numbers(manifest)


def _check_numbers(manifest: dict[str, Any]) -> str | None:
    counts = manifest.get("counts", {})
    tiers = counts.get("tiers", {})
    if not isinstance(tiers, dict):
        return "counts.tiers that are no object"
    lists = {name: counts.get(name, {}) for name in ("findings", "expected_false")}
    for name, of_lists in lists.items():
        if not (isinstance(of_lists, dict) and all(map(_has_numbers, of_lists.values()))):
            return f"counts.{name} that are no numbers by tier"
    named = manifest.get("list", "quasars"), "population"
    of_findings = (n for by_tier in lists["findings"].values() for n in by_tier.values())
    whole = [*(counts.get(name, 0) for name in named), *tiers.values(), *of_findings]
    if not all(_is_number(n) and n == int(n) for n in whole):
        return "counts that are no whole numbers"
    if not all(map(_is_number, manifest.get("tiers", {}).values())):
        return "tiers whose levels are no numbers"
    return None


def _has_numbers(values: object) -> bool:
    return isinstance(values, dict) and all(map(_is_number, values.values()))


def _is_record(row: object, words: str, numbers: tuple[str, ...]) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get(words), str)
        and all(row.get(name) is None or _is_number(row[name]) for name in numbers)
    )


def _is_number(value: object) -> bool:
    # A number of more digits than a double takes is no count and no level.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    )


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
