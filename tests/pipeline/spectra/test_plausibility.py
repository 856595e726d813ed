"""A file of spectra: some doubtful ones are dropped by their gates, a file full of them refused."""

import numpy as np
import pytest

from catalog_schema.desi import SAMPLING
from pipeline.errors import DataError
from pipeline.spectra.plausibility import GATES, keep_plausible
from pipeline.spectra.science.coadd import Spectra

SIZE = SAMPLING.grid.size
FAULTS = {
    "flux": lambda flux, ivar: (flux * 1e20, ivar * 1e-40),
    "ivar": lambda flux, ivar: (flux * 1e-17, ivar * 1e34),
    "sigma": lambda flux, ivar: (flux, ivar**-0.5),
    "variance": lambda flux, ivar: (flux, 1 / ivar),
    "scatter": lambda flux, ivar: (flux, ivar * 1e3),
    "smooth": lambda flux, ivar: (flux, ivar * 1e-3),
}
WORDS = {
    "flux": "not in 1e-17",
    "ivar": "far from any spectrograph",
    "sigma": "holds standard deviations",
    "variance": "holds variances",
    "scatter": "scatter far more",
    "smooth": "less than half",
}


def make_spectra(*faults: str) -> Spectra:
    """Return a spectrum for each fault; a sound one for an empty word."""
    rng, pixel = np.random.default_rng(0), np.arange(SIZE)
    rows = []
    for fault in faults:
        sigma = 0.3 * (1 + 3 * np.exp(-pixel / 1500)) * np.where(pixel % 97 < 9, 3, 1)
        flux, ivar = 3 + sigma * rng.standard_normal(SIZE), sigma**-2
        rows.append(FAULTS[fault](flux, ivar) if fault else (flux, ivar))
    flux, ivar = (np.array(values, np.float32) for values in zip(*rows, strict=True))
    return Spectra(np.arange(len(faults)) + 100, flux, ivar, np.zeros(flux.shape, np.int32))


def keep(*faults: str) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    return keep_plausible("coadd.fits", make_spectra(*faults), SAMPLING)


def test_sound_spectra_pass_without_a_word_or_a_copy() -> None:
    spectra = make_spectra("", "", "")
    found, dropped, notes = keep_plausible("coadd.fits", spectra, SAMPLING)
    assert found is spectra
    assert dropped == {"implausible_flux": 0, "implausible_noise": 0}
    assert notes == ()


@pytest.mark.parametrize("fault", ["flux", "ivar", "sigma", "variance", "scatter"])
def test_one_doubtful_spectrum_is_dropped_by_its_gate(fault: str) -> None:
    spectra, dropped, notes = keep("", fault, "")
    assert spectra.targetid.tolist() == [100, 102]
    gate = "implausible_flux" if fault == "flux" else "implausible_noise"
    assert dropped == {**dict.fromkeys(GATES.values(), 0), gate: 1}
    [note] = notes
    assert note.startswith("coadd.fits: 1 of 3 spectra: ")
    assert WORDS[fault] in note
    assert note.endswith("; dropped")


def test_gates_add_up_over_kinds_of_doubt() -> None:
    spectra, dropped, notes = keep("", "sigma", "", "scatter", "", "flux", "", "")
    assert spectra.targetid.tolist() == [100, 102, 104, 106, 107]
    assert dropped == {"implausible_flux": 1, "implausible_noise": 2}
    assert len(notes) == 3
    assert sum(dropped.values()) + len(spectra.targetid) == 8


def test_smooth_spectra_are_kept_and_told() -> None:
    spectra, dropped, notes = keep("smooth", "", "smooth")
    assert spectra.targetid.tolist() == [100, 101, 102]
    assert not any(dropped.values())
    [note] = notes
    assert note.startswith("coadd.fits: 2 of 3 spectra: ")
    assert note.endswith("; kept")
    # However many they are.
    assert len(keep("smooth", "smooth", "smooth")[0].targetid) == 3


@pytest.mark.parametrize(
    ("faults", "is_refused"),
    [
        (["sigma"], False),
        (["sigma", ""], False),
        (["sigma", "sigma"], True),
        (["sigma", "sigma", ""], True),
        (["sigma", "sigma", "", ""], False),
        (["sigma", "flux", "scatter", "", ""], True),
    ],
)
def test_a_file_is_wrong_where_more_than_half_of_several_are(faults: list, is_refused: bool):
    if not is_refused:
        assert len(keep(*faults)[0].targetid) == faults.count("")
        return
    with pytest.raises(DataError, match=r"^coadd\.fits: .*; correct the file$") as caught:
        keep(*faults)
    for fault in set(faults) - {""}:
        assert WORDS[fault] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_spectrum_is_no_fault() -> None:
    none = make_spectra("").take(slice(0, 0))
    spectra, dropped, notes = keep_plausible("coadd.fits", none, SAMPLING)
    assert (len(spectra.targetid), sum(dropped.values()), notes) == (0, 0, ())
