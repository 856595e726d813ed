"""Spectra of quasars as a kind of data: what the back half is told of them."""

from catalog_schema import desi
from catalog_schema.columns import classes, quality, significance
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import REASONS, STATISTICS
from catalog_schema.vocabulary import Arm, ArtefactKind, ControlKind, choose_classes
from catalog_schema.waist import ARTEFACT, NORMAL, Condition, Waist

# Kind of example that no phenomenon is planted for: the spectrum is moved to another redshift.
WRONG_Z = "wrong_z"
# Class of every kind of example from which the classes are learnt.
ARTEFACTS = dict.fromkeys(ArtefactKind.values(), ARTEFACT)
EXAMPLES: dict[str, str] = {
    NORMAL: NORMAL,
    "bal": "bal",
    "felobal": "felobal",
    "dla": "dla",
    "reddened": "reddened",
    "weak_line": "weak_line",
    "double_peaked": "double_peaked",
    "changing_look": "changing_look",
    "narrow_line": "narrow_line",
    "star_blend": "blend",
    "galaxy_blend": "blend",
    "quasar_blend": "blend",
    "absorber": "unknown",
    "iron": "iron",
    "star": "star",
    "galaxy": "galaxy",
    **ARTEFACTS,
    "strange": "unknown",
    WRONG_Z: "wrong_z",
}
# Natural logarithms: as much above as below is as far.
TRAITS = {
    **{f"noise_{arm}": f"Column noise_{arm} of coadds." for arm in Arm.values()},
    "ivar_b_r": "Mean inverse variance of the b arm over that of the r arm.",
    "ivar_z_r": "Mean inverse variance of the z arm over that of the r arm.",
    "pixel": "Width of a pixel of the observed grid over its wavelength, at its middle.",
}
OBSERVED = (desi.NIGHT, desi.PETAL_LOC, desi.FIBER)
WAIST = Waist(
    noun="spectrum",
    nouns="spectra",
    member="quasar",
    members="quasars",
    alike="SNR, redshift and coverage",
    key=(desi.SURVEY, desi.PROGRAM, desi.HEALPIX, desi.TARGETID),
    conditions=(
        Condition(significance.log_snr, 0.3),
        Condition(desi.Z, 0.3, is_log=True),
        Condition(significance.coverage, 0.1),
    ),
    statistics=STATISTICS,
    reasons=REASONS,
    classes=choose_classes(
        "QuasarClass",
        EXAMPLES.values(),
        normal="An ordinary quasar: nothing tells it from its peers.",
        star="A star taken for a quasar.",
        galaxy="A galaxy taken for a quasar.",
        wrong_z="Quasar with a wrong redshift.",
    ),
    controls=ControlKind,
    traits=TRAITS,
    measurements=MEASUREMENTS,
    faults=ArtefactKind,
    examples=EXAMPLES,
    teachers=(ControlKind.STAR.value, ControlKind.GALAXY.value),
    carried=(desi.Z, quality.snr),
    told=(classes.better_z,),
    surroundings=(*OBSERVED, *classes.CROWDS),
)
