"""A kind of data: its list, its tables, what a release of it holds."""

from dataclasses import dataclass
from functools import cached_property

from catalog_schema import contents
from catalog_schema.column import Table
from catalog_schema.waist import ROW_KEY, Waist


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes
    ----------
    name : str
        As the command line and the manifest of a release have it.
    main : str
        Main table of a release: one row an object.
    waist : Waist
    tables : tuple of Table
        Of its data path and its releases, in the order of travel.
    joined : tuple of str
        Datasets in which the columns of the list are looked for, in this order.
    longest : str
        Column of `targets`: of several rows of one object, that with the largest value is
        published; without one the first by key.
    label : str
        Column of `targets` by which people call an object, where there is one.
    watched : tuple of str
        Columns of the list on which the score of an ordinary member should not depend.
    model_files : tuple of str
        What a model of this kind has beside its card.
    family : str
        Kind whose templates and pages it shares; without one its own.
    file : str
        How the file of the main table is called, where that is not `main`.
    """

    name: str
    main: str
    waist: Waist
    tables: tuple[Table, ...]
    joined: tuple[str, ...] = ("targets", "scores", "significance", "tiers", "classes")
    longest: str = ""
    label: str = ""
    watched: tuple[str, ...] = ()
    model_files: tuple[str, ...] = ()
    family: str = ""
    file: str = ""

    def __getitem__(self, name: str) -> Table:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return {table.name: table for table in self.tables}

    @property
    def main_file(self) -> str:
        """File of the main table in a release."""
        return contents.name_list(self.file or self.main)

    @property
    def words(self) -> str:
        """Kind whose templates and pages it has."""
        return self.family or self.name

    @property
    def main_table(self) -> Table:
        """The main table."""
        return self[self.main]

    @cached_property
    def files(self) -> dict[str, Table]:
        """Tables of a release by their files."""
        lists = dict.fromkeys((self.main_file, contents.ANOMALIES), self.main)
        named = lists | contents.TABLES
        return {path: self[name] for path, name in named.items() if name in self}

    def find_slips(self) -> list[str]:
        """List what is missing for the back half to judge this kind, one sentence each."""
        needed = {
            "targets": [*ROW_KEY, "TARGET_RA", "TARGET_DEC"],
            "scores": [
                *ROW_KEY,
                "parent",
                "control",
                "statistics",
                "model_id",
                *self.waist.condition_names,
                *self.waist.carried_names,
            ],
            self.main: [*ROW_KEY, "tier", "finding_p_value", "anomaly_score", "reason"],
        }
        if self.waist.measurements:
            needed["measurements"] = [*ROW_KEY, "measured", "measured_error", "measured_wave"]
        return [
            f"{self.name}: {table} has no column {name}"
            for table, names in needed.items()
            for name in names
            if table not in self or name not in self[table].names
        ]
