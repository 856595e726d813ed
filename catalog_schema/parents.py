"""The parent samples of spectra: of each what is told to the back half, and what it may hold.

A parent sample is what the survey's redshift fitter puts into one class, each in its own rest
frame, or everything with a spectrum in the observed frame. Each has a model, a null population and
a vocabulary of its own; tables and columns are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from catalog_schema.lines import STRONG
from catalog_schema.parent_kinds import PARENT_KINDS
from catalog_schema.spectra import ARTEFACTS, WAIST, WRONG_Z
from catalog_schema.vocabulary import ControlKind, choose_classes
from catalog_schema.waist import NORMAL, UNKNOWN, Waist


@dataclass(frozen=True)
class ParentSample:
    """A parent sample of spectra.

    Attributes
    ----------
    kind : str
        Its kind of data.
    waist : Waist
    spectype : str
        Class of the redshift fitter; empty where it is not asked.
    z_min, z_max : float
        Redshifts that count where the settings name none.
    own : tuple of ControlKind
        What is no negative control here, for it may be of the sample.
    lines : tuple of str
        Lines of which the fitter takes one for another.
    """

    kind: str
    waist: Waist
    spectype: str
    z_min: float
    z_max: float
    own: tuple[ControlKind, ...]
    lines: tuple[str, ...] = ()

    @property
    def gate(self) -> str:
        """Gate of what the fitter puts into another class."""
        return f"not_{self.waist.member}"

    @property
    def in_rest_frame(self) -> bool:
        """Whether its windows lie in the rest frame of the catalogue's redshift."""
        return bool(self.spectype)


def _make_waist(
    member: str,
    members: str,
    alike: str,
    examples: Mapping[str, str],
    controls: tuple[ControlKind, ...],
    **meanings: str,
) -> Waist:
    """Return the waist of a parent sample other than that of quasars.

    Parameters
    ----------
    member, members, alike
        See `Waist`.
    examples : mapping of str to str
        Class of each kind of example beside artefacts and what is strange.
    controls : tuple of ControlKind
        Negative controls from which the classes are learnt.
    **meanings : str
        What a class means here.
    """
    every = {NORMAL: NORMAL, **examples, **ARTEFACTS, "strange": UNKNOWN}
    return replace(
        WAIST,
        member=member,
        members=members,
        alike=alike,
        classes=choose_classes(f"{member.title()}Class", every.values(), **meanings),
        examples=every,
        teachers=tuple(control.value for control in controls),
    )


QSO = ParentSample(PARENT_KINDS["qso"], WAIST, "QSO", 0.05, 6.8, (ControlKind.QUASAR,), STRONG)
GALAXY = ParentSample(
    PARENT_KINDS["galaxy"],
    _make_waist(
        "galaxy",
        "galaxies",
        WAIST.alike,
        {
            "narrow_line": "narrow_line",
            "star_blend": "blend",
            "second_galaxy": "blend",
            "reddened": "reddened",
            "supernova": "supernova",
            "star": "star",
            "quasar": "quasar",
            "absorber": UNKNOWN,
            WRONG_Z: "wrong_z",
        },
        (ControlKind.STAR, ControlKind.QUASAR),
        normal="An ordinary galaxy: nothing tells it from its peers.",
    ),
    "GALAXY",
    0.001,
    1.7,
    (ControlKind.GALAXY,),
    ("oii", "hbeta", "oiii", "halpha"),
)
STAR = ParentSample(
    PARENT_KINDS["star"],
    _make_waist(
        "star",
        "stars",
        "SNR and coverage",
        {
            "narrow_line": "narrow_line",
            "emission": "narrow_line",
            "star_blend": "blend",
            "second_galaxy": "blend",
            "reddened": "reddened",
            "galaxy": "galaxy",
            "quasar": "quasar",
        },
        (ControlKind.GALAXY, ControlKind.QUASAR),
        normal="An ordinary star: nothing tells it from its peers.",
        narrow_line="Emission lines, or a narrow line that belongs to no known system.",
    ),
    "STAR",
    -0.005,
    0.005,
    (ControlKind.STAR, ControlKind.STANDARD),
)
ANY = ParentSample(
    PARENT_KINDS["any"],
    _make_waist(
        "object",
        "objects",
        "SNR and coverage",
        {
            "narrow_line": "narrow_line",
            "star_blend": "blend",
            "absorber": UNKNOWN,
        },
        (),
        normal="Like many other spectra of the survey in the observed frame.",
    ),
    "",
    -0.1,
    20.0,
    (ControlKind.STANDARD, ControlKind.GALAXY, ControlKind.STAR, ControlKind.QUASAR),
)
# By the word that asks for them.
PARENTS: dict[str, ParentSample] = {"qso": QSO, "galaxy": GALAXY, "star": STAR, "any": ANY}
