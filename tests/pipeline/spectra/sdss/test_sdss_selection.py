"""Which rows of SDSS's catalogue are of the class that is judged, and which are controls."""

import numpy as np
import pytest

from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.sdss.selection import choose_rows

KINDS = {"QSO": "quasar", "GALAXY": "galaxy", "STAR": "star"}
EVERY = dict.fromkeys(
    (f"{kind}_fraction" for kind in ("sky", "standard", "galaxy", "star", "quasar")), 1.0
)


def judge(classes: str, spectype: str, warning: int = 0, z: float = 0.002) -> tuple[str, str, str]:
    """Return parent, control and gate of one row."""
    rows = {
        "TARGETID": np.array([7]),
        "TARGET_RA": np.array([10.0]),
        "TARGET_DEC": np.array([1.0]),
        "Z": np.array([z]),
        "ZWARN": np.array([warning]),
        "SPECTYPE": np.array([spectype]),
    }
    settings = TargetSettings.model_validate({"classes": classes, **EVERY})
    choice = choose_rows(rows, settings, np.array([""]))
    return str(choice.parent[0]), str(choice.control[0]), str(choice.gate[0])


@pytest.mark.parametrize("judged", ["galaxy", "star"])
@pytest.mark.parametrize("spectype", KINDS)
def test_the_core_is_of_the_class_and_the_others_are_controls(judged: str, spectype: str) -> None:
    kind = KINDS[spectype]
    expected = ("core", "", "") if kind == judged else ("control", kind, f"not_{judged}")
    assert judge(judged, spectype) == expected


@pytest.mark.parametrize("spectype", [*KINDS, "NONSENSE"])
@pytest.mark.parametrize("warning", [0, 1 << 2])
def test_in_the_observed_frame_neither_class_nor_warning_matters(spectype, warning) -> None:
    assert judge("any", spectype, warning, z=1.2)[0] == "core"
    assert judge("any", spectype, 1 << 9)[2] == "no_data"


def test_an_unknown_class_is_told_apart_from_another_one() -> None:
    assert judge("galaxy", "NONSENSE")[2] == "unknown_class"
