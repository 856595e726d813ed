"""What a release says of itself is checked once, and is data everywhere else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import LEVELS, N_ROWS, TIERS, seal

from portal.data.releases import (
    ABSENT,
    MISSING,
    AbsentError,
    ReleaseError,
    find_fault,
    open_release,
)

# What a manifest says that pages use, as paths of keys.
USED = (
    ("version",),
    ("title",),
    ("date",),
    ("kind",),
    ("list",),
    ("schema_version",),
    ("source",),
    ("source", "kind"),
    ("source", "specprod"),
    ("source", "sample"),
    ("code",),
    ("code", "commit"),
    ("model", "id"),
    ("counts",),
    ("counts", "quasars"),
    ("counts", "population"),
    ("counts", "tiers"),
    ("counts", "tiers", "gold"),
    ("counts", "findings"),
    ("counts", "findings", "named"),
    ("counts", "findings", "named", "gold"),
    ("counts", "expected_false"),
    ("tiers",),
    ("tiers", "gold"),
    ("config",),
    ("config", "preprocess"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def write(root: Path, content: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.json").write_text(json.dumps(content))
    return root


def change(manifest: dict[str, Any], keys: tuple[str, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    inner = changed
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = value
    return changed


@given(keys=st.sampled_from(USED), value=JSON)
def test_a_manifest_is_right_or_refused_in_one_line(
    release: Path, tmp_path_factory: pytest.TempPathFactory, keys: tuple[str, ...], value: object
) -> None:
    manifest = json.loads((release / "manifest.json").read_text())
    root = write(tmp_path_factory.mktemp("hostile") / "1.0.0", change(manifest, keys, value))
    refused = ""
    try:
        opened = open_release(root)
    except ReleaseError as fault:
        refused = str(fault)
    assert "\n" not in refused
    if refused:
        assert "manifest.json" in refused
        return
    told = (opened.version, opened.title, opened.date, opened.kind, opened.list_name)
    assert all(isinstance(text, str) for text in told)
    assert opened.catalogue.count("/") == 1
    assert all(isinstance(level, float) for level in opened.levels.values())
    assert isinstance(opened.n_objects, int)
    assert 0 <= opened.smallest_counted <= 10
    assert all("\n" not in fact for fact in opened.facts.values())
    step = opened.setting("preprocess", "log10_step")
    assert step is None or isinstance(step, float)


def test_a_manifest_that_says_nothing_is_of_spectra_of_quasars(tmp_path: Path) -> None:
    opened = open_release(write(tmp_path / "1.0.0", {}))
    assert (opened.version, opened.kind, opened.list_name) == ("1.0.0", "spectra", "quasars")
    assert opened.catalogue == "catalog/quasars.parquet"
    assert (opened.n_objects, opened.levels, opened.tier_counts, opened.facts) == (0, {}, {}, {})
    assert opened.smallest_counted == 0
    assert opened.sample is None
    assert not opened.is_mock


def test_what_it_says_is_told(release: Path) -> None:
    opened = open_release(release)
    assert opened.n_objects == N_ROWS
    assert opened.tier_counts == {tier: TIERS.count(tier) for tier in set(TIERS)}
    assert opened.levels == LEVELS
    assert opened.smallest_counted == 0.01
    assert opened.facts["Reduction (specprod)"] == "iron"
    assert opened.is_desi


def test_another_survey_is_not_desi(tmp_path: Path) -> None:
    opened = open_release(write(tmp_path / "1.0.0", {"source": {"kind": "sdss"}}))
    assert not opened.is_desi


def test_settings_are_numbers_or_untold(tmp_path: Path) -> None:
    config = {"preprocess": {"log10_step": 2e-4, "name": "x", "on": True}, "train": 3}
    opened = open_release(write(tmp_path / "1.0.0", {"config": config}))
    assert opened.setting("preprocess", "log10_step") == 2e-4
    for section, name in (
        ("preprocess", "name"),
        ("preprocess", "on"),
        ("preprocess", "other"),
        ("train", "x"),
        ("score", "x"),
    ):
        assert opened.setting(section, name) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", "NaN", '{"tiers": {"gold": NaN}}'])
def test_damaged_manifest_is_one_line(own_release: Path, text: str) -> None:
    (own_release / "manifest.json").write_text(text)
    with pytest.raises(ReleaseError, match=r"manifest\.json"):
        open_release(own_release)


def test_a_file_that_the_checksums_name_is_missing_and_another_absent(own_release: Path) -> None:
    seal(own_release)
    opened = open_release(own_release)
    (own_release / "CITATION.cff").unlink()
    assert find_fault(own_release, "CITATION.cff") == MISSING
    assert find_fault(own_release, "CHANGELOG.md") == ABSENT
    with pytest.raises(ReleaseError, match="is missing") as lost:
        opened.read("CITATION.cff")
    assert not isinstance(lost.value, AbsentError)
    with pytest.raises(AbsentError, match="is not part of this release"):
        opened.read("CHANGELOG.md")
    (own_release / "CHANGELOG.md").mkdir()
    assert find_fault(own_release, "CHANGELOG.md") == MISSING


@pytest.mark.parametrize("name", ["../secret", "link", "/etc/hostname"])
def test_nothing_outside_of_a_release_is_found(own_release: Path, name: str) -> None:
    (own_release.parent / "secret").write_text("canary")
    (own_release / "link").symlink_to(own_release.parent / "secret")
    with pytest.raises(ReleaseError, match="leads out of the release"):
        open_release(own_release).read(name)


@pytest.mark.parametrize(
    "rows",
    [{}, [1], [{"word": 1}], [{"word": "a", "n": "b"}], [{"n": 1}], [{"word": "a", "n": 1e400}]],
)
def test_records_of_another_form_are_one_line(own_release: Path, rows: object) -> None:
    (own_release / "told.json").write_text(json.dumps({"rows": rows}))
    with pytest.raises(ReleaseError, match=r"told\.json"):
        open_release(own_release).read_records("told.json", "rows", "word", ("n",))


def test_records_are_read(own_release: Path) -> None:
    rows = [{"word": "a\nb", "n": 1.5, "beside": []}, {"word": "c", "n": None}]
    (own_release / "told.json").write_text(json.dumps({"rows": rows}))
    read = open_release(own_release).read_records("told.json", "rows", "word", ("n",))
    assert read == [{"word": "a b", "n": 1.5}, {"word": "c", "n": None}]
    assert open_release(own_release).read_records("told.json", "others", "word", ()) == []
