"""Which rows may enter which parent: core before extended before control."""

import numpy as np
import pytest
from desi_tree import FAULTS, make_rows
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.selection import choose_rows, find_gates, find_target_classes

ALL_CONTROLS = TargetSettings(
    sky_fraction=1.0, standard_fraction=1.0, galaxy_fraction=1.0, star_fraction=1.0
)
QSO, ELG, BGS, VAR, STANDARD = 1 << 2, 1 << 1, 1 << 60, 1 << 35, 1 << 34


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_first_gate_wins(first: int) -> None:
    gates = list(FAULTS)
    columns: dict[str, object] = {}
    for gate in reversed(gates[first:]):
        columns |= FAULTS[gate]
    assert find_gates(make_rows(1, **columns), TargetSettings()).tolist() == [gates[first]]


@given(
    z=st.lists(st.floats(allow_nan=True, width=32), min_size=1, max_size=30),
    data=st.data(),
)
def test_kept_rows_are_those_without_a_fault(z: list, data: st.DataObject) -> None:
    n = len(z)

    def draw(values: list) -> np.ndarray:
        return np.array(data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)))

    rows = make_rows(
        n,
        TARGETID=draw([-1, 1, 2, 3]),
        ZWARN=draw([0, 0, 4]),
        SPECTYPE=draw(["QSO", "STAR"]),
        COADD_FIBERSTATUS=draw([0, 8, 9]),
        Z=np.array(z),
    )
    gates = find_gates(rows, TargetSettings())
    for i in range(n):
        good = (
            rows["TARGETID"][i] > 0
            and rows["ZWARN"][i] == 0
            and rows["SPECTYPE"][i] == "QSO"
            and rows["COADD_FIBERSTATUS"][i] in (0, 8)
            and 0.05 <= rows["Z"][i] <= 6.8
        )
        assert (gates[i] == "") == good


def test_limits_of_the_range_are_inside() -> None:
    rows = make_rows(4, Z=[0.05, 6.8, 0.0499, 6.801])
    assert (find_gates(rows, TargetSettings()) == "").tolist() == [True, True, False, False]


def choose(settings: TargetSettings = ALL_CONTROLS, **columns: object) -> tuple[str, str, str]:
    """Return parent, control and target class of one row."""
    choice = choose_rows(make_rows(1, **columns), settings)
    return str(choice.parent[0]), str(choice.control[0]), str(choice.target_class[0])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"DESI_TARGET": QSO | ELG | BGS}, "qso"),
        ({"DESI_TARGET": ELG, "SCND_TARGET": VAR}, "elg"),
        ({"DESI_TARGET": BGS, "SCND_TARGET": VAR}, "wise_variable"),
        ({"DESI_TARGET": BGS}, "bgs"),
        ({"DESI_TARGET": 1}, ""),
        ({"SURVEY": "sv1", "DESI_TARGET": 0, "SV1_DESI_TARGET": QSO}, "qso"),
        ({"SURVEY": "sv3", "DESI_TARGET": QSO, "SV3_DESI_TARGET": 0, "SCND_TARGET": VAR}, ""),
        ({}, ""),
    ],
)
def test_target_class_is_the_first_of_the_survey_s_own_bits(columns, expected: str) -> None:
    assert find_target_classes(make_rows(1, **columns)).tolist() == [expected]


@pytest.mark.parametrize("warning", [1 << 2, 1 << 3 | 1 << 4, 1 << 6])
def test_warned_quasar_target_may_be_extended(warning: int) -> None:
    assert choose(ZWARN=warning, DESI_TARGET=QSO)[0] == "extended"


@pytest.mark.parametrize("warning", [1 << 0, 1 << 7, 1 << 8 | 1 << 2, 1 << 9])
def test_warning_of_no_spectrum_bars_it(warning: int) -> None:
    assert choose(ZWARN=warning, DESI_TARGET=QSO)[0] == ""


@pytest.mark.parametrize(
    "gate", ["no_redshift", "not_a_target", "negative_targetid", "bad_fiberstatus", "not_primary"]
)
def test_extended_keeps_the_gates_of_the_spectrum(gate: str) -> None:
    assert choose(TargetSettings(), DESI_TARGET=QSO, **FAULTS[gate])[0] == ""


def test_quasar_target_of_any_type_and_redshift_may_be_extended() -> None:
    assert choose(DESI_TARGET=QSO, SPECTYPE="GALAXY")[0] == "extended"
    assert choose(SCND_TARGET=VAR, SPECTYPE="STAR")[0] == "extended"
    assert choose(DESI_TARGET=QSO, Z=0.001)[0] == "extended"


@pytest.mark.parametrize("bit", [ELG, BGS])
def test_galaxy_target_needs_the_template_fitter(bit: int) -> None:
    assert choose(DESI_TARGET=bit, ZWARN=4)[0] == "extended"
    assert choose(DESI_TARGET=bit, SPECTYPE="GALAXY")[0] == "control"


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"OBJTYPE": "SKY", "ZWARN": 5}, "sky"),
        ({"DESI_TARGET": STANDARD, "SPECTYPE": "STAR", "ZWARN": 4}, "standard"),
        ({"SPECTYPE": "GALAXY"}, "galaxy"),
        ({"SPECTYPE": "STAR"}, "star"),
    ],
)
def test_controls_are_drawn_by_kind(columns: dict, kind: str) -> None:
    assert choose(**columns)[:2] == ("control", kind)
    none = ALL_CONTROLS.model_copy(update={f"{kind}_fraction": 0.0})
    assert choose(none, **columns)[:2] == ("", "")
    assert choose(COADD_FIBERSTATUS=1 << 16, **columns)[0] == ""
    assert choose(**{**columns, "ZWARN": 1 << 9})[0] == ""


def test_doubtful_galaxy_is_no_control() -> None:
    assert choose(SPECTYPE="GALAXY", ZWARN=4)[0] == ""


def test_share_of_the_controls_is_that_of_the_settings_and_their_draw_never_changes() -> None:
    n = 20_000
    rows = make_rows(n, SPECTYPE="STAR")
    drawn = choose_rows(rows, TargetSettings(star_fraction=0.1)).parent == "control"
    assert abs(drawn.mean() - 0.1) < 0.01
    more = choose_rows(rows, TargetSettings(star_fraction=0.2)).parent == "control"
    assert (more >= drawn).all()
    order = np.random.default_rng(0).permutation(n)
    again = {name: values[order] for name, values in rows.items()}
    assert (choose_rows(again, TargetSettings(star_fraction=0.1)).parent[drawn[order]] != "").all()


PARENT_OF = {"QSO": "qso", "GALAXY": "galaxy", "STAR": "star"}


def judge(classes: str, **columns: object) -> tuple[str, str, str]:
    """Return parent, control and gate of one row where a class is judged."""
    shares = dict.fromkeys(
        (f"{kind}_fraction" for kind in ("sky", "standard", "galaxy", "star", "quasar")), 1.0
    )
    settings = TargetSettings.model_validate({"classes": classes, **shares})
    choice = choose_rows(make_rows(1, **({"Z": 0.002} | columns)), settings)
    return str(choice.parent[0]), str(choice.control[0]), str(choice.gate[0])


@pytest.mark.parametrize("judged", ["galaxy", "star"])
@pytest.mark.parametrize("spectype", PARENT_OF)
def test_the_core_is_of_the_class_that_is_judged_and_others_are_controls(
    judged: str, spectype: str
) -> None:
    parent, control, gate = judge(judged, SPECTYPE=spectype)
    if PARENT_OF[spectype] == judged:
        assert (parent, control, gate) == ("core", "", "")
    else:
        kind = {"QSO": "quasar"}.get(spectype, spectype.lower())
        assert (parent, control, gate) == ("control", kind, f"not_{judged}")


@pytest.mark.parametrize("spectype", PARENT_OF)
@pytest.mark.parametrize("warning", [0, 1 << 2, 1 << 6])
def test_any_spectrum_is_judged_in_the_observed_frame(spectype: str, warning: int) -> None:
    assert judge("any", SPECTYPE=spectype, ZWARN=warning, Z=1.0)[0] == "core"


@pytest.mark.parametrize("classes", ["galaxy", "star", "any"])
def test_a_sky_fibre_is_a_control_of_every_class(classes: str) -> None:
    assert judge(classes, OBJTYPE="SKY", ZWARN=5)[:2] == ("control", "sky")


def test_a_fibre_without_data_is_in_no_parent() -> None:
    assert judge("any", ZWARN=1 << 9) == ("", "", "no_data")


def test_no_class_but_quasars_has_an_extended_parent() -> None:
    assert judge("qso", ZWARN=4, DESI_TARGET=QSO, Z=1.0)[0] == "extended"
    for classes in ("galaxy", "star"):
        assert judge(classes, ZWARN=4, DESI_TARGET=QSO)[0] == ""


def test_a_standard_star_is_a_star_among_stars() -> None:
    assert judge("star", SPECTYPE="STAR", DESI_TARGET=STANDARD)[0] == "core"
    assert judge("galaxy", SPECTYPE="STAR", DESI_TARGET=STANDARD)[:2] == ("control", "standard")


def test_a_redshift_that_is_hardly_preferred_is_not_trusted() -> None:
    rows = make_rows(3, SPECTYPE="GALAXY", Z=0.3, DELTACHI2=np.array([5.0, 9.0, 30.0]))
    settings = TargetSettings.model_validate({"classes": "galaxy", "min_deltachi2": 9.0})
    assert find_gates(rows, settings).tolist() == ["redshift_not_trusted", "", ""]


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ({}, (0.05, 6.8)),
        ({"classes": "galaxy"}, (0.001, 1.7)),
        ({"classes": "star"}, (-0.005, 0.005)),
        ({"classes": "galaxy", "z_max": 0.6}, (0.001, 0.6)),
    ],
)
def test_the_limits_of_redshift_are_those_of_the_class_unless_told(values, limits) -> None:
    settings = TargetSettings.model_validate(values)
    assert (settings.z_min, settings.z_max) == limits
