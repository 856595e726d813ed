"""What tells a class: measurements, the classifier that weighs them, the features that say most."""

import pyarrow as pa

from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, UNIT_INTERVAL, number

measured = number(
    "measured",
    "Measurements: {measurements}. NaN where the {noun} does not show it.",
    may_be_nan=True,
    array="measurement",
    since="1.4.0",
)
measured_error = number(
    "measured_error",
    "One-sigma errors of the measurements; NaN where none is known.",
    "stat.error",
    may_be_nan=True,
    array="measurement",
    since="1.4.0",
)
measured_wave = number(
    "measured_wave",
    "Rest wavelengths of the measurements; NaN where one has no place.",
    "em.wl",
    unit="Angstrom",
    may_be_nan=True,
    array="measurement",
    since="1.4.0",
)
rival_z = Column(
    "rival_z",
    pa.float64(),
    "Rival redshift at which the spectrum is least strange; null where none was tried.",
    "src.redshift",
    nullable=True,
    since="1.4.0",
)
rival_p_value = Column(
    "rival_p_value",
    pa.float64(),
    "p_value that the spectrum has at rival_z.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
compared_mjd = Column(
    "compared_mjd",
    pa.float64(),
    "Modified Julian date of the earlier spectrum "
    "since which the feature has changed; null for a feature of the present "
    "spectrum alone.",
    "time.epoch",
    "d",
    nullable=True,
    since="1.4.0",
)
fold = Column(
    "fold",
    pa.int32(),
    "Fold of the objects that the row judges; it has learnt from the others.",
    "meta.number",
    bounds=POSITIVE,
    since="1.4.0",
)
example_kind = Column(
    "example_kind",
    pa.string(),
    "Kind of example that taught the classifier.",
    "meta.code",
    since="1.4.0",
)
intercept = Column(
    "intercept",
    pa.float64(),
    "Logit of the kind for a {noun} without any departure.",
    "stat.fit.param",
    since="1.4.0",
)
weights_above, weights_below = (
    Column(
        f"weights_{side}",
        pa.float64(),
        f"What arcsinh of each feature's departure adds to the "
        f"logit where it is {side} zero, statistics first, then measurements.",
        "stat.fit.param",
        array="feature",
        since="1.4.0",
    )
    for side in ("above", "below")
)
is_ordinary = Column(
    "is_ordinary",
    pa.bool_(),
    "Whether the {noun} says what is normal of the measurements: no candidate by its score.",
    "meta.code",
    since="1.4.0",
)
significances = number(
    "significances",
    "Measurements as the classifier compares them: over their "
    "errors where they have some. NaN where the {noun} does not show one.",
    "stat.snr",
    may_be_nan=True,
    array="measurement",
    since="1.4.0",
)
feature = Column(
    "feature",
    pa.string(),
    "Statistic (catalog_schema/statistics.py), measurement "
    "(catalog_schema/measurements.py) or change (catalog_schema/changes.py).",
    "meta.id",
    since="1.4.0",
)
statement = Column(
    "statement",
    pa.string(),
    "The feature in words with its numbers; wavelengths are at rest unless called observed.",
    "meta.note",
    nullable=True,
    since="1.7.0",
)
feature_value = number(
    "feature_value",
    "Value of the feature, in feature_unit: of a statistic that is the significance of an "
    "amplitude, that amplitude.",
    nullable=True,
    since="1.4.0",
)
feature_unit = Column(
    "feature_unit",
    pa.string(),
    "VOUnit string of value and error; empty for a dimensionless one.",
    "meta.unit",
    nullable=True,
    since="1.7.0",
)
feature_error = number(
    "feature_error",
    "One-sigma error of the value; null where none is known.",
    "stat.error",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
feature_wave = number(
    "feature_wave",
    "Rest wavelength at which the feature lies; null if it has no place.",
    "em.wl",
    unit="Angstrom",
    nullable=True,
    since="1.4.0",
)
feature_snr = number(
    "feature_snr",
    "Significance of the feature in its own standard errors; null where no error is known.",
    "stat.snr",
    nullable=True,
    since="1.7.0",
)
feature_z = number(
    "feature_z",
    "Redshift of the second source or of the system of lines; null for other features.",
    "src.redshift",
    nullable=True,
    since="1.7.0",
)
feature_period = number(
    "feature_period",
    "Observed period of a ripple; null for other features.",
    "em.wl",
    unit="Angstrom",
    nullable=True,
    since="1.7.0",
)
departure = number(
    "departure",
    "Significance of the feature in units of the spread of {nouns} alike in {alike}.",
    since="1.4.0",
)
contribution = number(
    "contribution",
    "What the feature adds to the logarithm of the odds of the class against the class normal.",
    "stat.likelihood",
    since="1.4.0",
)

MEASURED = (measured, measured_error, measured_wave)
RIVAL = (rival_z, rival_p_value)
TAXONOMY = (fold, example_kind, intercept, weights_above, weights_below)
FEATURES = (
    feature,
    statement,
    feature_value,
    feature_error,
    feature_unit,
    feature_snr,
    feature_wave,
    feature_z,
    feature_period,
    compared_mjd,
    departure,
    contribution,
)
