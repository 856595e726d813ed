"""Names and texts within SQL are only names and texts."""

import duckdb
from hypothesis import example, given
from hypothesis import strategies as st

from portal.data.quoting import quote_name, quote_text

# DuckDB has no text with a null character or a half of a pair.
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)


@given(TEXTS)
@example("'; DROP TABLE x; --")
@example("''")
@example('"')
def test_a_text_comes_back(text: str) -> None:
    with duckdb.connect() as con:
        assert con.execute(f"SELECT {quote_text(text)}").fetchall() == [(text,)]


@given(TEXTS.filter(bool))
@example('a" FROM x; --')
@example('""')
def test_a_name_comes_back(name: str) -> None:
    with duckdb.connect() as con:
        found = con.execute(f"SELECT 1 AS {quote_name(name)}").description
    assert found is not None
    assert [column[0] for column in found] == [name]
