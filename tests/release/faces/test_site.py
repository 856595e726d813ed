"""The static site: every graded object has a page, every link leads somewhere, text stays text."""

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pyarrow.parquet as pq
import pytest

from catalog_schema.tables import QUASARS
from release.faces import site
from release.manifest import read_json

HOSTILE = "<script>alert(1)</script><img src=x onerror=y> & \"quote\" 'q'"


class Reader(HTMLParser):
    """Collects tags, links and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def find_pages(release: Path) -> list[Path]:
    return sorted((release / "site").rglob("*.html"))


def test_every_graded_object_has_a_page(released: Path) -> None:
    anomalies = pl.read_parquet(released / "catalog" / "anomalies.parquet")
    names = {path.stem for path in (released / "site" / "objects").iterdir()}
    assert names == set(anomalies["TARGETID"].cast(pl.String))
    listed = [Path(link).stem for link in Reader(released / "site" / "anomalies.html").links]
    assert [n for n in listed if n.isdigit()] == anomalies["TARGETID"].cast(pl.String).to_list()


def test_every_link_leads_to_a_file_of_the_release(released: Path) -> None:
    for page in find_pages(released):
        for link in Reader(page).links:
            assert (page.parent / link).resolve().is_relative_to(released.resolve())
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_page_shows_the_row_and_the_spectrum(released: Path) -> None:
    row = pl.read_parquet(released / "catalog" / "anomalies.parquet").row(0, named=True)
    path = released / "site" / "objects" / f"{row['TARGETID']}.html"
    page = Reader(path)
    assert all(column.name in page.text for column in QUASARS.columns if column.array is None)
    assert row["reason"] in page.text
    assert "matches" in page.text
    text = path.read_text(encoding="utf-8")
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    paths = {element.get("class"): element.get("d", "") for element in drawing.iter("path")}
    assert paths["flux"].count("L") > 400
    assert paths["model"].startswith("M50.0 ")


@pytest.fixture
def hostile(released: Path, tmp_path: Path) -> Path:
    """A release whose every text without a vocabulary is an attempt at HTML."""
    for name in ("anomalies", "evidence", "changes", "crossmatch", "reviews", "queue"):
        rows = pl.read_parquet(released / "catalog" / f"{name}.parquet")
        texts = [n for n, kind in rows.schema.items() if kind == pl.String and n != "match_state"]
        path = tmp_path / "catalog" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        rows.with_columns(pl.lit(HOSTILE).alias(text) for text in texts).write_parquet(path)
    (tmp_path / "spectra").symlink_to(released / "spectra")
    manifest = read_json(released / "manifest.json")
    site.write(tmp_path, manifest | {"title": HOSTILE, "version": HOSTILE})
    return tmp_path


def test_text_is_escaped(hostile: Path) -> None:
    pages = find_pages(hostile)
    for page in pages:
        reader = Reader(page)
        assert not {"script", "img"} & set(reader.tags)
        assert HOSTILE in reader.text
    assert len(pages) > 3


def test_missing_pixels_interrupt_the_line(released: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").symlink_to(released / "catalog")
    spectra = pl.read_parquet(released / "spectra" / "spectra.parquet")
    dark = pl.lit([0.0] * 7781, pl.List(pl.Float32)).list.to_array(7781)
    nothing = pl.lit([float("nan")] * 7781, pl.List(pl.Float32)).list.to_array(7781)
    (tmp_path / "spectra").mkdir()
    rows = spectra.with_columns(dark.alias("ivar"), nothing.alias("model")).to_arrow()
    stated = pq.read_schema(released / "spectra" / "spectra.parquet").metadata
    pq.write_table(rows.replace_schema_metadata(stated), tmp_path / "spectra" / "spectra.parquet")
    site.write(tmp_path, read_json(released / "manifest.json"))
    assert all('class="flux" d=""' in p.read_text() for p in (tmp_path / "site/objects").iterdir())
