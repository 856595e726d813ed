"""What pages share: faults in one line, tables that lead to objects, files that are offered."""

import pytest
from streamlit.testing.v1 import AppTest

from portal.views.parts import write_tier


def draw_faults() -> None:
    from portal.data.releases import AbsentError, ReleaseError
    from portal.views.parts import tell_fault

    def fail(fault: Exception) -> None:
        raise fault

    tell_fault(lambda: fail(ReleaseError("`a.parquet` is *damaged*\nagain")))
    tell_fault(lambda: fail(AbsentError("`b.parquet` is not part of this release.")))
    tell_fault(lambda: None)


def test_a_fault_is_an_error_and_what_is_absent_a_note() -> None:
    app = AppTest.from_function(draw_faults).run()
    assert not app.exception
    assert [error.value for error in app.error] == [r"`a.parquet` is \*damaged\* again"]
    assert [note.value for note in app.caption] == ["`b.parquet` is not part of this release."]


def draw_unforeseen() -> None:
    from portal.views.parts import tell_fault

    def fail() -> None:
        raise ValueError("unforeseen")

    tell_fault(fail)


def test_what_nobody_foresaw_is_not_hidden() -> None:
    assert AppTest.from_function(draw_unforeseen).run().exception


def draw_offer() -> None:
    from portal.export.formats import CSV, PARQUET
    from portal.views.parts import offer_files

    offer_files(
        "2 rows", "desi-qad-1.0.0-x", lambda kind: kind.key.encode(), (CSV, PARQUET), "Help."
    )


def test_a_file_of_each_kind_is_offered() -> None:
    app = AppTest.from_function(draw_offer).run()
    assert not app.exception
    buttons = app.get("download_button")
    assert [button.proto.label for button in buttons] == ["2 rows as CSV", "2 rows as Parquet"]


def draw_zoom() -> None:
    import streamlit as st

    from portal.drawing.spectrum_chart import ZOOM
    from portal.views.parts import read_zoom

    for name, window in {"none": None, "one": [5.0], "turned": [9.0, 4.0]}.items():
        held = {} if window is None else {ZOOM: {"wave": window}}
        st.session_state[name] = {"selection": held}
        st.text(read_zoom(name))
    st.text(read_zoom("never drawn"))


def test_a_zoom_is_two_wavelengths_in_order_or_none() -> None:
    app = AppTest.from_function(draw_zoom).run()
    assert [text.value for text in app.text] == ["None", "None", "(4.0, 9.0)", "None"]


@pytest.mark.parametrize("tier", ["gold", "none", "of its own", "<script>alert(1)</script>"])
def test_a_tier_is_a_word_whatever_it_is(tier: str) -> None:
    told = write_tier(tier)
    assert told.startswith("<span ")
    assert "<script>" not in told
    assert told.count("<") == 2
