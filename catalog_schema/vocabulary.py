"""Closed sets of words that coded columns may hold, each with its meaning."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self, cast


class Described(StrEnum):
    """A string enumeration whose members carry a sentence of documentation."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Described":
        """Build a member from its value and its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def parse(cls, value: str) -> Self:
        """Return the member with this value; ValueError names the allowed ones."""
        for member in cls:
            if member.value == value:
                return member
        raise ValueError(f"{value!r} is not one of {', '.join(cls.values())}")

    @classmethod
    def values(cls) -> tuple[str, ...]:
        """Return every allowed value in order of declaration."""
        return tuple(member.value for member in cls)


class Parent(Described):
    """Sample through which a spectrum entered."""

    CORE = "core", "By the survey's own definition: DESI's is a primary spectrum of a good fibre."
    EXTENDED = "extended", "Quasar by the union of the redshift fitter and the afterburners only."
    CONTROL = "control", "Sky fibre, or a random spectrum of another class: a negative control."
    EXTERNAL = "external", "Spectrum handed over by a user and scored with a finished model."


class ControlKind(Described):
    """What a negative control is."""

    SKY = "sky", "Fibre that looked at empty sky."
    STANDARD = "standard", "Standard star, bits 33 to 35 of DESI_TARGET."
    GALAXY = "galaxy", "Random spectrum that the template fitter calls GALAXY, without warning."
    STAR = "star", "Random spectrum that the template fitter calls STAR, without warning."
    QUASAR = "quasar", "Random spectrum that the template fitter calls QSO, without warning."


class TargetClass(Described):
    """Reason of an observation that lets the afterburners' word count; the first that holds."""

    QSO = "qso", "Selected as a quasar."
    ELG = "elg", "Selected as an emission-line galaxy."
    WISE_VARIABLE = "wise_variable", "Selected for its infrared variability, WISE_VAR_QSO."
    BGS = "bgs", "Selected as a bright galaxy."


class Tier(Described):
    """Published grade; each grade is a false-discovery level fixed before counts are seen."""

    GOLD = "gold", "Anomalous at the strictest false-discovery level."
    SILVER = "silver", "Anomalous at the middle false-discovery level."
    BRONZE = "bronze", "Anomalous at the loosest false-discovery level."
    NONE = "none", "Not anomalous at any published level."


class Finding(Described):
    """List on which an object is graded; each list has false-discovery levels of its own."""

    NAMED = "named", "Its class is an anomaly or an artefact; score and class grade it together."
    UNEXPLAINED = "unexplained", "No class but normal or unknown; the score alone grades it."


class DomainReason(Described):
    """Why a model's population vouches for no candidate of a sample, whatever differs else."""

    P_VALUES = "p_values", "More low p-values than anomalies account for."
    FEW = "few", "Too few candidates to see whether the calibration holds for them."


class Split(Described):
    """Use of a spectrum in training, decided by its sky pixel."""

    TRAIN = "train", "Seen by the optimiser."
    VALIDATION = "validation", "Held out; decides early stopping."
    TEST = "test", "Held out; never used for a decision."


class Arm(Described):
    """Spectrograph arm."""

    B = "b", "DESI: 3600 to 5800 Angstrom; SDSS and LAMOST: the blue arm."
    R = "r", "DESI: 5760 to 7620 Angstrom; SDSS and LAMOST: the red arm."
    Z = "z", "DESI: 7520 to 9824 Angstrom; SDSS and LAMOST have none."


class RedshiftSource(Described):
    """Origin of the adopted redshift."""

    REDROCK = "redrock", "Best fit of DESI's template fitter."
    CATALOGUE = "catalogue", "As another survey's catalogue has it."
    QUASARNET = "quasarnet", "Refit around the line finder's redshift (qso_qn)."
    DRAWN = "drawn", "A core quasar's, lent to a negative control."
    USER = "user", "Handed over with the spectrum."


class ReviewStatus(Described):
    """State of the visual inspection of an object."""

    UNREVIEWED = "unreviewed", "Nobody has looked at it."
    REVIEWED = "reviewed", "At least one reviewer has judged it."
    DISPUTED = "disputed", "Reviewers disagree; not yet adjudicated."
    ADJUDICATED = "adjudicated", "An adjudicator has decided."


class ReviewAction(Described):
    """What an event of the review ledger does."""

    JUDGEMENT = "judgement", "A reviewer says what the object is."
    RETRACTION = "retraction", "A reviewer takes an earlier event back."
    ADJUDICATION = "adjudication", "An adjudicator decides, whatever the reviewers say."


class Verdict(Described):
    """Whether a reviewer finds the object anomalous."""

    ANOMALOUS = "anomalous", "An object worth a study of its own."
    ORDINARY = "ordinary", "Nothing unusual."
    ARTEFACT = "artefact", "Unusual by a fault of instrument or reduction."
    UNSURE = "unsure", "The spectrum does not tell."


class QueueSource(Described):
    """Why an object is in the queue of those to be reviewed."""

    ACTIVE = "active", "Most likely to be worth it, from the reviews so far."
    AUDIT = "audit", "Drawn at random, to measure the purity of its tier."


class ShardState(Described):
    """State of one shard in one stage."""

    PLANNED = "planned", "To be done in the run that is going on, or in the next one."
    RUNNING = "running", "Work has begun and has not ended."
    DONE = "done", "Output written, every row accounted for."
    FAILED = "failed", "No output; the error says why."


class MatchState(Described):
    """Outcome of looking for an object in a catalogue."""

    MATCHED = "matched", "Exactly one counterpart within the radius."
    AMBIGUOUS = "ambiguous", "Several counterparts within the radius."
    NO_MATCH = "no_match", "Inside the coverage, no counterpart."
    NOT_COVERED = "not_covered", "Outside the catalogue's footprint."
    SERVICE_ERROR = "service_error", "The service failed; to be asked again."
    NOT_QUERIED = "not_queried", "Nobody has asked."


class ChangeState(Described):
    """Whether an earlier spectrum of an object was compared, and if not, why."""

    MEASURED = "measured", "Compared."
    NO_OVERLAP = "no_overlap", "The two spectra share no good pixels in any line or continuum."
    NO_SIGNAL = "no_signal", "One of the two shows no light: a fibre that missed looks the same."
    NOT_EARLIER = "not_earlier", "Taken in the night of the present spectrum or later."
    FILE_MISSING = "file_missing", "The index names a file that is not there."
    UNREADABLE = "unreadable", "The file is damaged or no SDSS spectrum."


class ScaleSource(Described):
    """What tells the factor between the flux scales of two spectra."""

    OIII = "oiii", "The narrow line [OIII] 5008, which does not change in decades."
    ASSUMED = "assumed", "Nothing: 1, with the usual error of losses at the fibre."


class ClassState(Described):
    """Whether a spectrum was classified, and if not, why."""

    CLASSIFIED = "classified", "Compared with every class."
    NO_SIGNAL = "no_signal", "Signal-to-noise ratio too low to tell anything."
    TOO_FEW_PIXELS = "too_few_pixels", "Too few good pixels to measure anything."
    NO_EXAMPLES = "no_examples", "Too few ordinary quasars in the run to learn the classes from."


class AnomalyClass(Described):
    """What a spectrum is; the parent samples have some of these words each."""

    NORMAL = "normal", "An ordinary member of its parent sample: nothing tells it from its peers."
    BAL = "bal", "Broad absorption lines."
    FELOBAL = "felobal", "Iron low-ionisation broad absorption lines."
    DLA = "dla", "Damped Lyman-alpha absorber on the line of sight."
    REDDENED = "reddened", "Strong intrinsic dust reddening."
    WEAK_LINE = "weak_line", "Emission lines unusually weak."
    DOUBLE_PEAKED = "double_peaked", "Double-peaked broad lines."
    CHANGING_LOOK = "changing_look", "Broad lines or continuum appearing or vanishing."
    NARROW_LINE = "narrow_line", "Narrow emission line that belongs to no known system."
    IRON = "iron", "Iron emission unusually strong."
    BLEND = "blend", "Second object in the fibre: blend or lens."
    STAR = "star", "A star taken for something else."
    GALAXY = "galaxy", "A galaxy taken for something else."
    QUASAR = "quasar", "A quasar, or its light, taken for something else."
    SUPERNOVA = "supernova", "Light of a supernova in a galaxy."
    WRONG_Z = "wrong_z", "Right class, wrong redshift."
    ARTEFACT = "artefact", "Fault of instrument or reduction."
    UNKNOWN = "unknown", "None of the known kinds."


def choose_classes(name: str, words: Iterable[str], **meanings: str) -> type[Described]:
    """Return the anomaly classes of a parent sample, some with a meaning of their own.

    Parameters
    ----------
    name : str
        Of the enumeration.
    words : iterable of str
        Values of `AnomalyClass`; ``normal``, ``artefact`` and ``unknown`` are always among them.
    **meanings : str
        By value.
    """
    chosen = {AnomalyClass.NORMAL, AnomalyClass.ARTEFACT, AnomalyClass.UNKNOWN, *words}
    members = {
        word.name: (word.value, meanings.get(word.value, word.meaning))
        for word in AnomalyClass
        if word in chosen
    }
    classes = cast(type[Described], Described(name, members))  # type: ignore[arg-type]
    classes.__doc__ = AnomalyClass.__doc__
    return classes


class ArtefactKind(Described):
    """Which fault of instrument or reduction."""

    ARM_OFFSET = "arm_offset", "Flux calibration of one arm off by a factor."
    SKY_RESIDUAL = "sky_residual", "Sky light left in, or too much of it taken away."
    COSMIC_RAYS = "cosmic_rays", "Hits that no mask records."
    SCATTERED_LIGHT = "scattered_light", "Smooth light of a bright neighbour on the detector."
    FRINGES = "fringes", "Interference in the red."
    EXCESS_NOISE = "excess_noise", "Pixels of one arm scatter by more than their errors."
    FLUX_CALIBRATION = "flux_calibration", "Smooth errors of the response along the spectrum."
