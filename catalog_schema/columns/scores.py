"""What the model makes of a spectrum."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, UNIT_INTERVAL, coded, number
from catalog_schema.statistics import FILTER_WIDTHS

_WIDTHS = ", ".join(map(str, FILTER_WIDTHS))

chi2 = number(
    "chi2",
    "Reduced chi-squared of the reconstruction over all good pixels.",
    "stat.fit.chi2",
    bounds=POSITIVE,
)
chi2_b = number(
    "chi2_b",
    "Reduced chi-squared of the reconstruction, b arm.",
    "stat.fit.chi2;em.opt.B",
    bounds=POSITIVE,
    nullable=True,
)
chi2_r = number(
    "chi2_r",
    "Reduced chi-squared of the reconstruction, r arm.",
    "stat.fit.chi2;em.opt.R",
    bounds=POSITIVE,
    nullable=True,
)
chi2_z = number(
    "chi2_z",
    "Reduced chi-squared of the reconstruction, z arm.",
    "stat.fit.chi2;em.opt.I",
    bounds=POSITIVE,
    nullable=True,
)
worst_arm = coded("worst_arm", words.Arm, "Arm with the largest reduced chi-squared.")
amplitude = number(
    "amplitude", "Maximum-likelihood factor between norm and the model.", "arith.factor"
)
kl_divergence = number(
    "kl_divergence",
    "Divergence of the latent posterior from the prior, nats.",
    "stat.likelihood",
    bounds=POSITIVE,
)
isolation_score = number(
    "isolation_score",
    "Isolation Forest score of the latent, higher is more isolated.",
    bounds=UNIT_INTERVAL,
)
latent = number("latent", "Mean of the latent posterior.", "stat.fit.param", array="latent")
statistics = number(
    "statistics",
    "Raw statistics: {statistics}. NaN where there is nothing to take one of.",
    may_be_nan=True,
    array="statistic",
)
seed_statistics = number(
    "seed_statistics",
    "Statistics under each seed's members, one seed after the other, the first as in `statistics`.",
    may_be_nan=True,
    array="seed_statistic",
    since="1.4.0",
)
emission_wave = number(
    "emission_wave",
    "Rest wavelength of the most significant excess at each "
    f"filter width ({_WIDTHS} pixels); NaN without one.",
    "em.wl",
    unit="Angstrom",
    may_be_nan=True,
    array="filter",
    size=len(FILTER_WIDTHS),
)
absorption_wave = number(
    "absorption_wave",
    "Rest wavelength of the most significant lack of flux "
    f"at each filter width ({_WIDTHS} pixels); NaN without one.",
    "em.wl",
    unit="Angstrom",
    may_be_nan=True,
    array="filter",
    size=len(FILTER_WIDTHS),
)
model_id = Column(
    "model_id", pa.string(), "Digest that names the model which made the score.", "meta.version"
)

SCORES = (
    chi2,
    chi2_b,
    chi2_r,
    chi2_z,
    worst_arm,
    amplitude,
    kl_divergence,
    isolation_score,
    latent,
    statistics,
    emission_wave,
    absorption_wave,
    model_id,
)
