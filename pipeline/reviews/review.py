"""One event of visual inspection as a record that is right or does not exist."""

import math
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from catalog_schema.columns.reviews import corrected_spectype
from catalog_schema.vocabulary import AnomalyClass, ReviewAction, Verdict
from pipeline.errors import UserError

ISSUES = "RCS"
SPECTYPES = corrected_spectype.vocabulary or ()
MAX_COMMENT = 2000
MAX_NAME = 64
# An hour is a coffee, not a look at a spectrum.
MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class Review:
    """What one reviewer said of one object, once.

    Attributes
    ----------
    sample : str
        Whose TARGETIDs they are (see `sample.name_sample`).
    release : str
        Version that the reviewer looked at.
    survey, program, healpix, targetid
        The object, as the catalogue's key has it.
    reviewer : str
        Name under which the reviewer signs.
    action : ReviewAction
    verdict : Verdict or None
        None in a retraction, and where only redshift and type were inspected.
    anomaly_class : AnomalyClass or None
    quality : int or None
        DESI's 0 to 4.
    issues : str
        Letters of R, C, S.
    corrected_z : float or None
    corrected_spectype : str or None
    comment : str
        One line; control characters become spaces.
    is_blinded : bool or None
    seconds_spent : float or None
        Cut at an hour.
    supersedes : str or None
        Identifier of the reviewer's earlier event that this one replaces.
    reviewed_at : datetime
        UTC.
    review_id : str
        32 characters; equal for the same event wherever it is written.
    number : int
        Place in the ledger; 0 before it is there.

    Raises
    ------
    UserError
        If a value is not allowed.
    """

    sample: str
    release: str
    survey: str
    program: str
    healpix: int
    targetid: int
    reviewer: str
    action: ReviewAction = ReviewAction.JUDGEMENT
    verdict: Verdict | None = None
    anomaly_class: AnomalyClass | None = None
    quality: int | None = None
    issues: str = ""
    corrected_z: float | None = None
    corrected_spectype: str | None = None
    comment: str = ""
    is_blinded: bool | None = None
    seconds_spent: float | None = None
    supersedes: str | None = None
    reviewed_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    review_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        clean: dict[str, object] = {
            "reviewer": flatten(self.reviewer),
            "comment": flatten(self.comment),
            "issues": "".join(letter for letter in ISSUES if letter in self.issues),
        }
        if self.seconds_spent is not None:
            clean["seconds_spent"] = min(self.seconds_spent, MAX_SECONDS)
        if self.reviewed_at.tzinfo:
            clean["reviewed_at"] = self.reviewed_at.astimezone(UTC)
        for name, value in clean.items():
            object.__setattr__(self, name, value)
        if fault := self._find_fault():
            raise UserError(f"review of TARGETID {self.targetid}: {fault}")

    def _find_fault(self) -> str | None:
        """Return what is wrong in one phrase."""
        is_retraction = self.action is ReviewAction.RETRACTION
        wrong_class = self.anomaly_class is not None and (
            self.verdict in (Verdict.ORDINARY, Verdict.UNSURE)
            or (
                (self.verdict is Verdict.ARTEFACT) != (self.anomaly_class is AnomalyClass.ARTEFACT)
                and self.verdict is not None
            )
        )
        is_redshift = self.corrected_z is None or (
            math.isfinite(self.corrected_z) and self.corrected_z > -1
        )
        is_spectype = self.corrected_spectype in (None, *SPECTYPES)
        types = ", ".join(SPECTYPES)
        is_free = self.supersedes is None or self.verdict is not None
        lacks_verdict = self.action is ReviewAction.ADJUDICATION and self.verdict is None
        lost_time = self.seconds_spent is not None and not self.seconds_spent >= 0
        faults = {
            f"reviewer must be 1 to {MAX_NAME} characters": not 1 <= len(self.reviewer) <= MAX_NAME,
            f"comment is longer than {MAX_COMMENT} characters": len(self.comment) > MAX_COMMENT,
            f"quality {self.quality} is not 0 to 4": self.quality not in (None, 0, 1, 2, 3, 4),
            f"redshift {self.corrected_z} is not one": not is_redshift,
            f"spectral type {self.corrected_spectype!r} is not one of {types}": not is_spectype,
            f"class {self.anomaly_class} does not go with verdict {self.verdict}": wrong_class,
            "time spent is negative or no number": lost_time,
            "a retraction names the event that it takes back, and no verdict": is_retraction
            and is_free,
            "an adjudication needs a verdict": lacks_verdict,
            "its time has no zone": self.reviewed_at.tzinfo is None,
            "its identifier is not 32 characters": len(self.review_id) != 32,
        }
        return next((fault for fault, holds in faults.items() if holds), None)

    def retract(self) -> Self:
        """Return the event that takes this one back."""
        return replace(
            self,
            action=ReviewAction.RETRACTION,
            supersedes=self.review_id,
            verdict=None,
            anomaly_class=None,
            quality=None,
            issues="",
            corrected_z=None,
            corrected_spectype=None,
            comment="",
            seconds_spent=None,
            reviewed_at=datetime.now(UTC),
            review_id=uuid.uuid4().hex,
            number=0,
        )


def flatten(text: str) -> str:
    """Return a text as one line that every database and CSV reader can hold.

    Control characters, line separators and halves of surrogate pairs become spaces.
    """
    kinds = ("Cc", "Cs", "Zl", "Zp")
    return "".join(" " if unicodedata.category(c) in kinds else c for c in text).strip()


def select_in_force(reviews: Iterable[Review]) -> list[Review]:
    """Return each reviewer's last word on each object, in the ledger's order.

    Superseded events and retractions are left out; an adjudication stands beside its author's own
    judgement.
    """
    events = list(reviews)
    replaced = {review.supersedes for review in events}
    standing = [r for r in events if r.review_id not in replaced]
    last = {
        (r.targetid, r.reviewer, r.action is ReviewAction.ADJUDICATION): r
        for r in standing
        if r.action is not ReviewAction.RETRACTION
    }
    return sorted(last.values(), key=lambda review: review.number)
