"""The registry of measurements: names that no statistic has, units that VOUnit knows."""

from astropy import units
from each import each

from catalog_schema.measurements import MEASUREMENTS, Measurement
from catalog_schema.statistics import STATISTICS


def test_feature_names_are_unique() -> None:
    names = [*(m.name for m in MEASUREMENTS), *(s.name for s in STATISTICS)]
    assert len({name.lower() for name in names}) == len(names)


@each(MEASUREMENTS)
def test_meaning_and_unit(measurement: Measurement) -> None:
    assert measurement.meaning.endswith(".")
    units.Unit(measurement.unit, format="vounit")
