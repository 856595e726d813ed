"""The page about the release: method, glossary, data dictionary, how to open and cite it."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from catalog_schema import kinds
from catalog_schema.tables import MATCHES
from catalog_schema.vocabulary import Finding, Parent, Tier
from portal.data import catalogue, columns, explain, objects, recipes
from portal.data.conditions import Filters
from portal.data.ranking import Ranking
from portal.data.releases import ANOMALOUS, SPECTRA_KIND, Release
from portal.data.texts import escape
from portal.views.access import ask, current_release, current_table
from portal.views.kinds import find_view
from portal.views.parts import tell_fault


def show() -> None:
    """Draw the page."""
    release = current_release()
    st.title("About this release")
    _show_release(release)
    _show_tiers(release)
    for section in (_show_example, _show_recipes, _show_cite, _show_thanks, _show_downloads):
        tell_fault(section)
    _show_glossary()
    _show_dictionary()


def _show_release(release: Release) -> None:
    facts = {"Title": release.title, "Version": release.version, **release.facts}
    rows = [(name, escape(text)) for name, text in facts.items()]
    st.table(pd.DataFrame(rows, columns=["", "Value"]).set_index(""))


def _show_tiers(release: Release) -> None:
    st.header("Method and tiers")
    st.markdown(find_view(release.kind).method)
    tiers = [
        (tier.value, _write(release.levels, tier), _write(release.tier_counts, tier), tier.meaning)
        for tier in Tier
    ]
    names = ["Tier", "False-discovery level", "Objects", "Meaning"]
    st.dataframe(pd.DataFrame(tiers, columns=names), hide_index=True, alt="Tiers of this release")
    _show_lists(release)
    if "parent" not in current_table().names:
        return
    st.markdown("**Parent samples**")
    st.markdown("\n".join(f"- **{parent}**: {parent.meaning}" for parent in Parent))


def _show_lists(release: Release) -> None:
    """Draw the tiers of each list, where the release has two."""
    rows = [
        (
            finding.value,
            tier.value,
            _write(release.findings[finding.value], tier),
            _write(release.expected_false.get(finding.value, {}), tier),
        )
        for finding in Finding
        for tier in Tier
        if finding.value in release.findings
    ]
    if not rows:
        return
    st.markdown("**Two lists**")
    st.markdown("\n".join(f"- **{finding}**: {finding.meaning}" for finding in Finding))
    names = ["List", "Tier", "Objects", "Expected normal at or above it, at most"]
    st.dataframe(pd.DataFrame(rows, columns=names), hide_index=True, alt="Tiers of each list")


def _show_example() -> None:
    if "tier" not in current_table().names:
        return
    graded = Filters(words=(("tier", ANOMALOUS),))
    strangest = ask(catalogue.list_rows, graded, Ranking(), 1, 1, ("TARGETID",))
    if strangest.empty:
        return
    row = ask(objects.find_object, int(strangest["TARGETID"].iloc[0]))
    assert row is not None
    st.markdown(f"**An example: the strangest object of this release, {row['TARGETID']}**")
    with st.container(border=True):
        release = current_release()
        st.markdown(explain.explain_score(row, release.levels, release.smallest_counted))


def _show_recipes() -> None:
    release = current_release()
    st.header("How to open it")
    texts = recipes.write_recipes(release, current_table())
    for tab, recipe in zip(st.tabs(list(texts)), texts.values(), strict=True):
        tab.code(recipe, language="python")


def _show_cite() -> None:
    st.header("How to cite")
    release = current_release()
    paper = " and the DESI DR1 paper (DESI Collaboration, AJ 171, 285, 2026)"
    st.markdown(f"Cite this release{paper if release.kind == SPECTRA_KIND else ''}.")
    st.code(release.read("CITATION.cff"), language="yaml", wrap_lines=True)


def _show_thanks() -> None:
    st.header("Acknowledgements")
    text = current_release().read("ACKNOWLEDGEMENTS.md")
    with st.container(border=True):
        st.text(text)


def _show_downloads() -> None:
    release = current_release()
    st.header("Downloads")
    for slot, name in zip(st.columns(4), ("manifest.json", "SHA256SUMS"), strict=False):
        slot.download_button(
            name,
            release.read(name),
            f"desi-qad-{release.version}-{name}",
            on_click="ignore",
            width="stretch",
        )


def _show_dictionary() -> None:
    st.header("Data dictionary")
    left, right = st.columns([1, 2])
    tables = {table.name: table for table in kinds.SPECTRA.files.values()}
    if (own := current_release().list_name) not in tables:
        tables = {own: current_table()} | tables
    name = left.selectbox("Table", list(tables), key="table")
    table = tables[name]
    search = right.text_input("Search in it", key="word", placeholder="redshift, mag, snr …")
    rows = columns.make_dictionary(table, search)
    # A list of a kind that is not known here has the description of another.
    text = f"{table.description} " if table.name == name else ""
    st.markdown(f"{text}{len(rows)} of {len(table.columns)} columns.")
    if rows.empty:
        st.info(f"No column of {name} mentions “{escape(search)}”.")
        return
    st.dataframe(rows, hide_index=True, alt=f"Columns of the table {name}")


def _show_glossary() -> None:
    st.header("Glossary")
    declared = current_release().declared
    words = {c.name: columns.word_meanings(c) for c in declared.main_table.columns}
    words = {"match_state": columns.word_meanings(MATCHES["match_state"])} | words
    words["reason"] = dict(declared.waist.reasons)
    for name, meanings in words.items():
        if meanings:
            with st.expander(f"Words of {name}"):
                st.markdown("\n".join(f"- **{word}**: {text}" for word, text in meanings.items()))


def _write(numbers: Mapping[str, float], tier: Tier) -> str:
    return f"{numbers[tier.value]:,}" if tier.value in numbers else "–"


if __name__ == "__main__":
    show()
