"""The page of evidence."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pages import open_page, written


def test_broken_law_is_told(own_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own_release / "completeness/gates.parquet"
    gates = pq.read_table(path)
    pq.write_table(gates.slice(1), path)
    app = open_page(monkeypatch, own_release, "statistics")
    assert any("broken in 1 shards" in error.value for error in app.error)


def test_statistics_page_shows_the_evidence(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, own_release, "statistics")
    assert "law holds" in app.success[0].value
    assert "`validation/summary.json` is not part of this release" in written(app).replace("\\", "")
    assert not app.error
    found = {"injection": "iron", "planted": 5.0, "n": 60, "found": 0.5, "low": 0.4, "high": 0.6}
    controls = {"control": "sky", "n": 264, "in_tier": 0, "share_low": 0.0}
    (own_release / "validation").mkdir()
    (own_release / "validation/summary.json").write_text(
        json.dumps({"controls": [controls], "injections": [found]})
    )
    (own_release / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0\n\n<b>First.</b>\n")
    older = own_release.with_name("1.1.0")
    shutil.copytree(own_release, older)
    app = open_page(monkeypatch, own_release, "statistics")
    assert not app.error
    assert "First." in written(app)
    assert "Nothing differs" in written(app)
