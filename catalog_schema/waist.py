"""The waist: what the back half is told of a kind of data.

Whatever is judged, a quasar's spectrum or a row of a sky catalogue, ends as rows of tables of its
kind: `targets` (key, position), `scores` (parent sample, conditions, statistics) and, where its
phenomena are classified, `measurements`. The tables from there on follow
(`catalog_schema.back_half`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_schema import vocabulary as words
from catalog_schema.column import Column, Table
from catalog_schema.measurements import Measurement
from catalog_schema.statistics import Statistic

# What a candidate is; where it lies, which follows from that; and both, with which rows are joined.
KEY = ("SURVEY", "PROGRAM", "TARGETID")
SHARD_KEY = ("SURVEY", "PROGRAM", "HEALPIX")
ROW_KEY = (*SHARD_KEY, "TARGETID")
# Words that every kind's list of classes has.
NORMAL, ARTEFACT, UNKNOWN = "normal", "artefact", "unknown"


@dataclass(frozen=True)
class Condition:
    """A property on which the statistics of normal candidates depend.

    Attributes
    ----------
    column : Column
        Of `scores`; never null.
    length : float
        Difference that counts as one unit of distance.
    is_log : bool
        Whether ln(1 + value) is compared instead of the value.
    """

    column: Column
    length: float
    is_log: bool = False

    def scale(self, values: NDArray) -> NDArray[np.float64]:
        """Return the coordinate in which candidates are compared, shape (n,)."""
        return (np.log1p(values) if self.is_log else values) / self.length


@dataclass(frozen=True)
class Waist:
    """What the back half knows of a kind of data.

    Attributes
    ----------
    noun, nouns : str
        What a candidate is.
    member, members : str
        What a normal one is.
    alike : str
        What normal candidates are compared in: the conditions in words.
    key : tuple of Column
        SURVEY, PROGRAM, HEALPIX and TARGETID.
    conditions : tuple of Condition
    statistics : tuple of Statistic
    reasons : mapping of str to str
        What a large departure means, by the statistics' `reason`.
    classes : type of Described
        What a candidate may be; `NORMAL`, `ARTEFACT` and `UNKNOWN` are among them.
    controls : type of Described
        Kinds of negative controls.
    traits : mapping of str to str
        How candidates were observed, which another survey may do otherwise: what each number is,
        on a scale where those of one survey scatter evenly.
    measurements : tuple of Measurement
        From which, with the statistics, it is classified.
    faults : type of Described, optional
        Kinds of artefacts, which are kinds of examples too.
    examples : mapping of str to str
        Class of every kind of example from which the classes are learnt.
    teachers : tuple of str
        Controls that are such examples.
    carried : tuple of Column
        Columns of `scores` shown with controls and planted rows.
    told : tuple of Column
        Nullable columns that say more of the class.
    surroundings : tuple of Column
        Where a candidate was taken, and whether others from there are strange as well.
    """

    noun: str
    nouns: str
    member: str
    members: str
    alike: str
    key: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    statistics: tuple[Statistic, ...]
    reasons: Mapping[str, str]
    classes: type[words.Described]
    controls: type[words.Described]
    traits: Mapping[str, str] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    faults: type[words.Described] | None = None
    examples: Mapping[str, str] = field(default_factory=dict)
    teachers: tuple[str, ...] = ()
    carried: tuple[Column, ...] = ()
    told: tuple[Column, ...] = ()
    surroundings: tuple[Column, ...] = ()

    def fit(self, column: Column) -> Column:
        """Return a column with the words, the vocabulary and the sizes of this kind."""
        facts: dict[str, Any] = {
            "description": column.description.format_map(self._texts()),
            "size": self._sizes().get(column.array or "", column.size),
        }
        if column.name in (vocabularies := self._vocabularies()):
            facts["vocabulary"] = vocabularies[column.name]
        return replace(column, **facts)

    def make_table(
        self, name: str, description: str, key: tuple[str, ...], columns: tuple[Column, ...]
    ) -> Table:
        """Return a table whose rows are keyed as candidates, in the words of this kind."""
        told = description.format_map(self._texts())
        return Table(name, told, key, tuple(map(self.fit, (*self.key, *columns))))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what is classified by: statistics, then measurements."""
        return (*(s.name for s in self.statistics), *(m.name for m in self.measurements))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of examples, in alphabetical order."""
        return tuple(sorted(self.examples))

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the columns that hold the conditions."""
        return tuple(condition.column.name for condition in self.conditions)

    @property
    def carried_names(self) -> tuple[str, ...]:
        """Names of the columns shown with controls and planted rows."""
        return tuple(column.name for column in self.carried)

    @property
    def is_two_sided(self) -> NDArray[np.bool_]:
        """Whether a low value of each statistic is as strange as a high one, shape (k,)."""
        return np.array([statistic.two_sided for statistic in self.statistics])

    @property
    def is_ratio(self) -> NDArray[np.bool_]:
        """Whether each statistic scatters evenly in the logarithm, shape (k,)."""
        return np.array([statistic.is_ratio for statistic in self.statistics])

    def locate(self, columns: Mapping[str, NDArray]) -> NDArray[np.float64]:
        """Return coordinates, shape (n, number of conditions), in which near ones are alike."""
        scaled = [
            condition.scale(columns[condition.column.name].astype(np.float64))
            for condition in self.conditions
        ]
        return np.column_stack(scaled)

    def _texts(self) -> dict[str, str]:
        names = ("noun", "nouns", "member", "members", "alike")
        return {
            **{name: getattr(self, name) for name in names},
            "statistics": ", ".join(statistic.name for statistic in self.statistics),
            "measurements": ", ".join(m.name for m in self.measurements),
            "traits": ", ".join(self.traits),
            "classes": ", ".join(self.classes.values()),
        }

    def _sizes(self) -> dict[str, int]:
        return {
            "statistic": len(self.statistics),
            "reason": len(self.reasons),
            "trait": len(self.traits),
            "measurement": len(self.measurements),
            "anomaly_class": len(self.classes),
            "feature": len(self.features),
        }

    def _vocabularies(self) -> dict[str, tuple[str, ...]]:
        return {
            "reason": tuple(self.reasons),
            "domain_reason": (
                *self.condition_names,
                *self.traits,
                *self.reasons,
                *words.DomainReason.values(),
            ),
            "anomaly_class": self.classes.values(),
            "artefact_kind": self.faults.values() if self.faults else (),
            "control": self.controls.values(),
        }
