"""Columns that the pipeline makes, in lower snake case."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.changes import CHANGED_LINES
from catalog_schema.column import Column
from catalog_schema.desi import FINE_ORDER
from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import FILTER_WIDTHS, REASONS, STATISTICS, STRANGE_P_VALUE

_FLUX_DENSITY = "10**-17 erg.s**-1.cm**-2.Angstrom**-1"
_LINE_FLUX = "10**-17 erg.s**-1.cm**-2"
_FLUX_DENSITY_IVAR = "10**34 erg**-2.s**2.cm**4.Angstrom**2"
_WIDTHS = ", ".join(map(str, FILTER_WIDTHS))
_INFINITY = float("inf")
_POSITIVE = (0.0, _INFINITY)
_FROM_ONE = (1, _INFINITY)
_UNIT_INTERVAL = (0.0, 1.0)


def _coded(name: str, enum: type[words.Described], text: str, ucd: str = "meta.code") -> Column:
    return Column(name, pa.string(), text, ucd, vocabulary=enum.values())


def _number(name: str, text: str, ucd: str = "stat.value", **rest: object) -> Column:
    return Column(name, pa.float32(), text, ucd, **rest)  # type: ignore[arg-type]


def _count(name: str, text: str, **rest: object) -> Column:
    facts = {"bounds": _POSITIVE, **rest}
    return Column(name, pa.int64(), text, "meta.number", **facts)  # type: ignore[arg-type]


def _photometry(band: str, text: str, ucd: str) -> Column:
    return _number(
        f"flux_{band}", f"{text} flux from the Legacy Surveys, not corrected for extinction.",
        ucd, unit="nJy", source="zcatalog, converted: 1 nanomaggy = 3631 nJy", nullable=True,
    )


def _snr(suffix: str, text: str, ucd: str) -> Column:
    return _number(f"snr{suffix}", text, f"stat.snr;{ucd}", nullable=True)


# Position
healpix_29 = Column(
    "_healpix_29", pa.int64(),
    f"HEALPix pixel of the position, order {FINE_ORDER} (nside 2^{FINE_ORDER}) NESTED, ICRS; "
    "the rows are sorted by it. Where there is no position, the first one of its pixel HEALPIX.",
    "pos.healpix", since="1.4.0",
)

# Parent sample
parent = _coded("parent", words.Parent, "Sample through which the spectrum entered.")
control = Column("control", pa.string(), "What a negative control is; null for all others.",
                 "meta.code", vocabulary=words.ControlKind.values(), nullable=True, since="1.2.0")
target_class = Column(
    "target_class", pa.string(), "Which rule of the union of quasar finders holds; null if none.",
    "meta.code", vocabulary=words.TargetClass.values(), nullable=True, since="1.2.0",
)
qso_maskbits = Column(
    "qso_maskbits", pa.int32(), "Who calls it a quasar, bits as in DESI's QSO_MASKBITS: 1 template "
    "fitter, 2 MgII finder, 3 QuasarNet, 4 QuasarNet with a new redshift; union confirmed as "
    "5 BGS, 6 ELG, 7 WISE-variable target.", "meta.code.qual", bounds=(0, 255), since="1.2.0",
)
split = _coded("split", words.Split, "Use in training, decided by a hash of the sky pixel.")
z_source = _coded("z_source", words.RedshiftSource, "Origin of the adopted redshift.")
flux_g = _photometry("g", "g-band", "phot.flux.density;em.opt.B")
flux_r = _photometry("r", "r-band", "phot.flux.density;em.opt.R")
flux_z = _photometry("z", "z-band", "phot.flux.density;em.opt.I")
flux_w1 = _photometry("w1", "WISE W1", "phot.flux.density;em.IR.3-4um")
flux_w2 = _photometry("w2", "WISE W2", "phot.flux.density;em.IR.4-8um")

# Source files
file_name = Column(
    "file_name", pa.string(), "Path of the source file below the source.", "meta.id;meta.file"
)
n_bytes = _count("n_bytes", "Size in bytes.", unit="byte")
n_rows = Column("n_rows", pa.int64(), "Number of spectra in the file.", "meta.number")
identity = Column(
    "identity", pa.string(), "Digest that changes when the file does: size and time, or ETag.",
    "meta.id",
)

# Spectra
wave = Column("wave", pa.float64(), "Wavelength in vacuum, barycentric, observed frame.", "em.wl",
              "Angstrom", array="wave", since="1.4.0")
flux = _number("flux", "Observed-frame flux density, arms joined.", "phot.flux.density;em.wl",
               unit=_FLUX_DENSITY, array="wave")
ivar = _number("ivar", "Inverse variance of the flux; 0 marks a bad pixel.", "stat.weight",
               unit=_FLUX_DENSITY_IVAR, bounds=_POSITIVE, array="wave")
mask = Column("mask", pa.int32(), "DESI SPECMASK bits of the pixel; in an overlap the bits that "
              "both arms share.", "meta.code.qual", array="wave")
model = _number("model", "Reconstruction by the model, reddened again, on the observed grid; "
                "NaN where the model has learnt from too few spectra.",
                "phot.flux.density;em.wl", unit=_FLUX_DENSITY, may_be_nan=True, array="wave")
snr = _snr("", "Median signal-to-noise ratio per pixel over all good pixels.", "em.opt")
snr_b = _snr("_b", "Median signal-to-noise ratio per pixel, b arm.", "em.opt.B")
snr_r = _snr("_r", "Median signal-to-noise ratio per pixel, r arm.", "em.opt.R")
snr_z = _snr("_z", "Median signal-to-noise ratio per pixel, z arm.", "em.opt.I")
window_start = Column(
    "window_start", pa.int32(), "First pixel of the window on the global rest-frame grid.",
    "meta.number", bounds=_POSITIVE,
)
rest_flux = _number("rest_flux", "Dereddened flux over norm, on the rest-frame window.",
                    "phot.flux.density;em.wl", array="window")
rest_weight = _number("rest_weight", "Weight of rest_flux: weights of neighbours add up to "
                      "the inverse variance of their mean; 0 marks a bad pixel.", "stat.weight",
                      bounds=_POSITIVE, array="window")
norm = _number("norm", "Flux density divided out of the window.", "phot.flux.density",
               unit=_FLUX_DENSITY, bounds=_POSITIVE)
n_valid = Column("n_valid", pa.int32(), "Rest-frame pixels with information.", "meta.number",
                 bounds=_POSITIVE)
coverage_b = _number("coverage_b", "Fraction of the b arm's pixels that are good.",
                     "stat.value;em.opt.B", bounds=_UNIT_INTERVAL)
coverage_r = _number("coverage_r", "Fraction of the r arm's pixels that are good.",
                     "stat.value;em.opt.R", bounds=_UNIT_INTERVAL)
coverage_z = _number("coverage_z", "Fraction of the z arm's pixels that are good.",
                     "stat.value;em.opt.I", bounds=_UNIT_INTERVAL)

# Scores
chi2 = _number("chi2", "Reduced chi-squared of the reconstruction over all good pixels.",
               "stat.fit.chi2", bounds=_POSITIVE)
chi2_b = _number("chi2_b", "Reduced chi-squared of the reconstruction, b arm.",
                 "stat.fit.chi2;em.opt.B", bounds=_POSITIVE, nullable=True)
chi2_r = _number("chi2_r", "Reduced chi-squared of the reconstruction, r arm.",
                 "stat.fit.chi2;em.opt.R", bounds=_POSITIVE, nullable=True)
chi2_z = _number("chi2_z", "Reduced chi-squared of the reconstruction, z arm.",
                 "stat.fit.chi2;em.opt.I", bounds=_POSITIVE, nullable=True)
worst_arm = _coded("worst_arm", words.Arm, "Arm with the largest reduced chi-squared.")
amplitude = _number("amplitude", "Maximum-likelihood factor between norm and the model.",
                    "arith.factor")
kl_divergence = _number("kl_divergence", "Divergence of the latent posterior from the prior, nats.",
                        "stat.likelihood", bounds=_POSITIVE)
isolation_score = _number("isolation_score", "Isolation Forest score of the latent, higher is "
                          "more isolated.", bounds=_UNIT_INTERVAL)
latent = _number("latent", "Mean of the latent posterior.", "stat.fit.param", array="latent")
statistics = _number("statistics", "Raw statistics, in the order of catalog_schema/statistics.py: "
                     + ", ".join(s.name for s in STATISTICS) + ". NaN without a pixel.",
                     may_be_nan=True, array="statistic")
seed_statistics = _number("seed_statistics", "Statistics under each seed's members, one seed after "
                          "the other, the first as in `statistics`.", may_be_nan=True,
                          array="seed_statistic", since="1.4.0")
emission_wave = _number("emission_wave", "Rest wavelength of the most significant excess at each "
                        f"filter width ({_WIDTHS} pixels); NaN without one.", "em.wl",
                        unit="Angstrom", may_be_nan=True, array="filter")
absorption_wave = _number("absorption_wave", "Rest wavelength of the most significant lack of flux "
                          f"at each filter width ({_WIDTHS} pixels); NaN without one.", "em.wl",
                          unit="Angstrom", may_be_nan=True, array="filter")
model_id = Column("model_id", pa.string(), "Digest that names the model which made the score.",
                  "meta.version")

# Calibration
anomaly_score = _number("anomaly_score", "Combined statistic in units of the spread of spectra "
                        "alike in SNR, redshift and coverage; larger is stranger.")
p_value = Column("p_value", pa.float64(), "Probability that a normal spectrum alike in SNR, "
                 "redshift and coverage scores as high.", "stat.probability",
                 bounds=_UNIT_INTERVAL)
score_rank = Column(
    "score_rank", pa.int32(), "Place among the run's quasars by anomaly_score, 1 the strangest.",
    "stat.rank", bounds=_FROM_ONE, since="1.4.0",
)
score_rank_low, score_rank_high = (
    Column(f"score_rank_{side}", pa.int32(), f"{word} place under models trained from other seeds; "
           "null where there is only one, or the spectrum is not of the model's run.",
           "stat.rank", bounds=_FROM_ONE, nullable=True, since="1.4.0")
    for side, word in (("low", "Smallest"), ("high", "Largest"))
)
reason = Column("reason", pa.string(), "Statistic that contributes most to the score.", "meta.note",
                vocabulary=tuple(REASONS))
departures = _number("departures", "Statistics, in the same order, in units of the spread of "
                     "spectra alike in SNR, redshift and coverage.", array="statistic")

# Null population
log_snr = _number("log_snr", "Decimal logarithm of the floored signal-to-noise ratio.", "stat.snr")
coverage = _number("coverage", "Fraction of the observed pixels that are good.",
                   bounds=_UNIT_INTERVAL)

# Evidence
injection = Column("injection", pa.string(), "Kind of feature planted.", "meta.code")
planted = Column("planted", pa.float64(), "Signal-to-noise ratio of the whole planted feature.",
                 "stat.snr", bounds=_POSITIVE)

# Cross-match and classification
catalogue = Column("catalogue", pa.string(), "Name of the external catalogue.", "meta.id")
match_state = _coded("match_state", words.MatchState, "Outcome of the search for a counterpart.")
match_rank = Column(
    "match_rank", pa.int32(), "1 for the nearest counterpart or where there is none; further "
    "counterparts follow in order of separation.", "stat.rank", bounds=_FROM_ONE, since="1.3.0",
)
n_candidates = Column("n_candidates", pa.int32(), "Catalogue sources that are possible "
                      "counterparts of the object.", "meta.number", bounds=_POSITIVE, since="1.3.0")
match_id = Column("match_id", pa.string(), "Identifier of the counterpart.", "meta.id.cross",
                  nullable=True)
match_ra = Column("match_ra", pa.float64(), "Right ascension of the counterpart, ICRS, at the "
                  "objects' epoch.", "pos.eq.ra", "deg", bounds=(0, 360), nullable=True,
                  since="1.3.0")
match_dec = Column("match_dec", pa.float64(), "Declination of the counterpart, ICRS, at the "
                   "objects' epoch.", "pos.eq.dec", "deg", bounds=(-90, 90), nullable=True,
                   since="1.3.0")
separation = _number("separation", "Angular distance to the counterpart.", "pos.angDistance",
                     unit="arcsec", bounds=_POSITIVE, nullable=True)
normalised_separation = _number(
    "normalised_separation", "Separation over the one-sigma positional error per axis of object "
    "and counterpart combined; null where the catalogue states no error.",
    "pos.angDistance;arith.ratio", bounds=_POSITIVE, nullable=True, since="1.3.0",
)
chance_probability = _number(
    "chance_probability", "Probability that an unrelated source lies as near, from the density of "
    "sources at shifted positions.", "stat.probability", bounds=_UNIT_INTERVAL, nullable=True,
    since="1.3.0",
)
attributes = Column("attributes", pa.string(), "Columns of the catalogue that are carried along, "
                    "a JSON object under the catalogue's own names.", "meta.note", nullable=True,
                    since="1.3.0")
object_type = Column("object_type", pa.string(), "Type of the counterpart in the catalogue's own "
                     "words; null if it tells none.", "src.class", nullable=True, since="1.4.0")
n_references = Column("n_references", pa.int32(), "Publications that mention the counterpart, as "
                      "counted by the catalogue; null if it counts none.", "meta.number",
                      bounds=_POSITIVE, nullable=True, since="1.4.0")
query_date = Column("query_date", pa.string(), "UTC day on which the service was asked; null for a "
                    "local file.", "time.epoch", nullable=True, since="1.3.0")
service_error = Column("service_error", pa.string(), "What went wrong at the service.",
                       "meta.note", nullable=True, since="1.3.0")
catalogue_title = Column("catalogue_title", pa.string(), "Title and release of the catalogue.",
                         "meta.title", since="1.3.0")
access = Column("access", pa.string(), "How the catalogue was searched.", "meta.code",
                vocabulary=("xmatch", "tap", "file", "none"), since="1.3.0")
location = Column("location", pa.string(), "Table at the service, or name of the local file.",
                  "meta.id", nullable=True, since="1.3.0")
file_digest = Column("file_digest", pa.string(), "SHA-256 of the SHA-256 of each local file.",
                     "meta.id", nullable=True, since="1.3.0")
match_radius = _number("match_radius", "Largest separation of a counterpart.", "pos.angDistance",
                       unit="arcsec", bounds=_POSITIVE, since="1.3.0")
max_normalised_separation = _number(
    "max_normalised_separation", "Largest normalised separation of a counterpart that states its "
    "error; null where only the radius counts.", "pos.angDistance;arith.ratio", bounds=_POSITIVE,
    nullable=True, since="1.3.0",
)
match_link = Column("match_link", pa.string(), "Address of a counterpart's page, once its "
                    "URL-encoded match_id takes the place of {id}; null if there is none.",
                    "meta.ref.url", nullable=True, since="1.4.0")
catalogue_epoch = Column("catalogue_epoch", pa.float64(), "Julian epoch of the catalogue's "
                         "positions.", "time.epoch", "yr", nullable=True, since="1.3.0")
coverage_rule = Column("coverage_rule", pa.string(), "Where the catalogue covers the sky.",
                       "meta.note", since="1.3.0")
chance_rate = _number("chance_rate", "Mean number of counterparts of a shifted position inside "
                      "the coverage; null where nothing was searched.", "stat.value",
                      bounds=_POSITIVE, nullable=True, since="1.3.0")
n_shifted = _count("n_shifted", "Shifted positions inside the coverage.", since="1.3.0")
n_sources = _count("n_sources", "Sources of a local file that were searched; null for a service.",
                   nullable=True, since="1.3.0")
n_bad_positions = _count("n_bad_positions", "Rows of a local file left out for want of a valid "
                         "position.", nullable=True, since="1.3.0")
n_duplicates = _count("n_duplicates", "Rows of a local file left out as duplicates.",
                      nullable=True, since="1.3.0")
match_counts = tuple(
    _count(f"n_{state.value}", f"Objects in state {state.value}. {state.meaning}", since="1.3.0")
    for state in words.MatchState
)
acknowledgement = Column("acknowledgement", pa.string(), "Text that users of the catalogue owe.",
                         "meta.note", since="1.3.0")
measured = _number("measured", "Physical measurements, in the order of "
                   "catalog_schema/measurements.py: " + ", ".join(m.name for m in MEASUREMENTS)
                   + ". NaN where the spectrum does not show it.", may_be_nan=True,
                   array="measurement", since="1.4.0")
measured_error = _number("measured_error", "One-sigma errors of the measurements; NaN where none "
                         "is known.", "stat.error", may_be_nan=True, array="measurement",
                         since="1.4.0")
measured_wave = _number("measured_wave", "Rest wavelengths of the measurements; NaN where one has "
                        "no place.", "em.wl", unit="Angstrom", may_be_nan=True,
                        array="measurement", since="1.4.0")
rival_z = Column("rival_z", pa.float64(), "Rival redshift at which the spectrum is least strange; "
                 "null where none was tried.", "src.redshift", nullable=True, since="1.4.0")
rival_p_value = Column("rival_p_value", pa.float64(), "p_value that the spectrum has at rival_z.",
                       "stat.probability", bounds=_UNIT_INTERVAL, nullable=True, since="1.4.0")

# Changes since an earlier spectrum
earlier_file = Column("earlier_file", pa.string(), "File of the earlier spectrum.",
                      "meta.id;meta.file", since="1.4.0")
earlier_mjd = Column("earlier_mjd", pa.float64(), "Modified Julian date of the earlier spectrum.",
                     "time.epoch", "d", source="index of the earlier spectra", since="1.4.0")
change_state = Column("change_state", pa.string(), "Whether the earlier spectrum was compared, and "
                      "if not, why.", "meta.code", vocabulary=words.ChangeState.values(),
                      since="1.4.0")
change_error = Column("change_error", pa.string(), "What is wrong with an unreadable file.",
                      "meta.note", nullable=True, since="1.4.0")
rest_days = _number("rest_days", "Time from the earlier spectrum to MEAN_MJD in the rest frame; "
                    "null where the latter is not known.", "time.interval", unit="d",
                    nullable=True, since="1.4.0")
earlier_snr = _number("earlier_snr", "Median signal-to-noise ratio per pixel of the earlier "
                      "spectrum.", "stat.snr;em.opt", nullable=True, since="1.4.0")
scale_source = Column("scale_source", pa.string(), "What tells flux_scale; null where not "
                      "compared.", "meta.code", vocabulary=words.ScaleSource.values(),
                      nullable=True, since="1.4.0")
flux_scale = _number("flux_scale", "Factor by which the earlier flux is multiplied: losses at the "
                     "two fibres differ.", "arith.factor", bounds=_POSITIVE, nullable=True,
                     since="1.4.0")
flux_scale_error = _number("flux_scale_error", "One-sigma error of flux_scale.", "stat.error",
                           bounds=_POSITIVE, nullable=True, since="1.4.0")
continuum_ratio = _number("continuum_ratio", "Continuum now over the earlier one, which is "
                          "multiplied by flux_scale: geometric mean over windows without lines.",
                          "phot.flux.density;arith.ratio", bounds=_POSITIVE, nullable=True,
                          since="1.4.0")
continuum_ratio_error = _number("continuum_ratio_error", "One-sigma error of continuum_ratio, "
                                "without that of flux_scale.", "stat.error", bounds=_POSITIVE,
                                nullable=True, since="1.4.0")
colour_change = _number("colour_change", "Power of wavelength by which that ratio runs; negative "
                        "where the continuum is bluer now.", "spect.index", nullable=True,
                        since="1.4.0")
colour_change_error = _number("colour_change_error", "One-sigma error of colour_change.",
                              "stat.error", bounds=_POSITIVE, nullable=True, since="1.4.0")


def _line_columns(line: str, title: str) -> tuple[Column, ...]:
    def flux(name: str, text: str, **rest: object) -> Column:
        facts = {"ucd": "phot.flux;spect.line", **rest}
        return _number(f"{line}_{name}", f"{text} null where not in both spectra.",
                       unit=_LINE_FLUX, nullable=True, since="1.4.0", **facts)  # type: ignore[arg-type]

    error = {"ucd": "stat.error;phot.flux", "bounds": _POSITIVE}
    return (
        flux("flux", f"Flux of {title} above the continuum, narrow parts included, dereddened;"),
        flux("flux_error", f"One-sigma error of {line}_flux;", **error),
        flux("earlier_flux", f"{line}_flux of the earlier spectrum, multiplied by flux_scale;"),
        flux("earlier_flux_error", f"One-sigma error of {line}_earlier_flux, without that of "
             "flux_scale;", **error),
        _number(f"{line}_change", f"Difference of the two fluxes of {title} over its error, that "
                "of flux_scale included; positive where the line is brighter now.", "stat.snr",
                nullable=True, since="1.4.0"),
    )


line_changes = tuple(
    column for line, title in CHANGED_LINES.items() for column in _line_columns(line, title)
)
changed_line = Column("changed_line", pa.string(), "Broad line whose change is the most "
                      "significant, of those that has_changed is about if it holds; null without "
                      "any.", "meta.id", nullable=True,
                      vocabulary=tuple(CHANGED_LINES), since="1.4.0")
line_ratio = _number("line_ratio", "Flux of changed_line now over the earlier one.",
                      "phot.flux;arith.ratio",
                     nullable=True, since="1.4.0")
line_ratio_error = _number("line_ratio_error", "One-sigma error of line_ratio, to first order, "
                           "that of flux_scale included.", "stat.error", bounds=_POSITIVE,
                           nullable=True, since="1.4.0")
line_change = _number("line_change", "Significance of the change of changed_line.", "stat.snr",
                      nullable=True, since="1.4.0")
has_changed = Column("has_changed", pa.bool_(), "Whether a broad line has appeared or vanished: "
                     "its change exceeds earlier.min_change, and at most earlier.max_left of the "
                     "brighter flux is left in the fainter.", "meta.code", since="1.4.0")
compared_mjd = Column("compared_mjd", pa.float64(), "Modified Julian date of the earlier spectrum "
                      "since which the feature has changed; null for a feature of the present "
                      "spectrum alone.", "time.epoch", "d", nullable=True, since="1.4.0")

class_state = _coded("class_state", words.ClassState, "Whether the spectrum was classified, and "
                     "if not, why.")
artefact_probability = _number("artefact_probability", "Probability that instrument or reduction "
                               "caused the anomaly, if there is one; null where not classified.",
                               "stat.probability", bounds=_UNIT_INTERVAL, nullable=True)
anomaly_class = _coded("anomaly_class", words.AnomalyClass, "Most probable class; null where not "
                       "classified.", "src.class").optional()
class_probabilities = _number("class_probabilities", "Probabilities of the classes "
                              + ", ".join(words.AnomalyClass.values()) + ", in this order; they "
                              "add up to 1, or are NaN where not classified.", "stat.probability",
                              bounds=_UNIT_INTERVAL, may_be_nan=True, array="anomaly_class",
                              since="1.4.0")
artefact_kind = Column("artefact_kind", pa.string(), "Most probable kind of artefact; null unless "
                       "the class is artefact.", "meta.code",
                       vocabulary=words.ArtefactKind.values(), nullable=True, since="1.4.0")
better_z = Column("better_z", pa.float64(), "Redshift at which the anomaly vanishes; null if there "
                  "is none.", "src.redshift", nullable=True, since="1.4.0")
log_odds = Column("log_odds", pa.float64(), "Logarithm of the odds of all other classes against "
                  "normal; null where not classified.", "stat.likelihood", nullable=True,
                  since="1.4.0")
joint_p_value = Column("joint_p_value", pa.float64(), "Probability that an ordinary quasar is as "
                       "strange and as like a known phenomenon: p_value and the odds against "
                       "normal together; p_value where nothing taught the classes (no_examples), "
                       "null without signal.", "stat.probability",
                       bounds=_UNIT_INTERVAL, nullable=True, since="1.4.0")
q_value = Column("q_value", pa.float64(), "Benjamini-Hochberg false-discovery rate at which the "
                 "object enters the list, from joint_p_value; null without signal.",
                 "stat.probability", bounds=_UNIT_INTERVAL, nullable=True)
tier = _coded("tier", words.Tier, "Published grade by false-discovery level.")
fold = Column("fold", pa.int32(), "Fold of the objects that the row judges; it has learnt from the "
              "others.", "meta.number", bounds=_POSITIVE, since="1.4.0")
example_kind = Column("example_kind", pa.string(), "Kind of example that taught the classifier.",
                      "meta.code", since="1.4.0")
intercept = Column("intercept", pa.float64(), "Logit of the kind for a spectrum without any "
                   "departure.", "stat.fit.param", since="1.4.0")
weights_above, weights_below = (
    Column(f"weights_{side}", pa.float64(), f"What arcsinh of each feature's departure adds to the "
           f"logit where it is {side} zero, statistics first, then measurements.",
           "stat.fit.param", array="feature", since="1.4.0")
    for side in ("above", "below")
)
is_ordinary = Column("is_ordinary", pa.bool_(), "Whether the spectrum says what is normal of the "
                     "measurements: no candidate by its score.", "meta.code", since="1.4.0")
significances = _number("significances", "Measurements as the classifier compares them: over their "
                        "errors where they have some. NaN where the spectrum does not show one.",
                        "stat.snr", may_be_nan=True, array="measurement", since="1.4.0")
night_p_value = Column("night_p_value", pa.float64(), "Probability that as many of the other "
                       f"spectra of the same NIGHT are strange (p below {STRANGE_P_VALUE}) by "
                       "chance; null if not known.", "stat.probability", bounds=_UNIT_INTERVAL,
                       nullable=True, since="1.4.0")
petal_p_value = Column("petal_p_value", pa.float64(), "The same for the spectra of the same petal "
                       "in the same night.", "stat.probability", bounds=_UNIT_INTERVAL,
                       nullable=True, since="1.4.0")
fibre_p_value = Column("fibre_p_value", pa.float64(), "The same for the spectra of the same fibre "
                       "in all nights.", "stat.probability", bounds=_UNIT_INTERVAL, nullable=True,
                       since="1.4.0")
field_p_value = Column("field_p_value", pa.float64(), "Probability that as many of the other "
                       f"spectra of the same HEALPIX are strange (p below {STRANGE_P_VALUE}) by "
                       "chance.",
                       "stat.probability", bounds=_UNIT_INTERVAL, since="1.4.0")
map_x = _number("map_x", "First coordinate on the map of latents and residuals; null where not on "
                "it.", "stat.value", nullable=True, since="1.4.0")
map_y = _number("map_y", "Second coordinate on the map of latents and residuals; null where not on "
                "it.", "stat.value", nullable=True, since="1.4.0")
cluster = Column("cluster", pa.int32(), "Number of the unsupervised family of strange spectra, "
                 "from 1 for the largest; null for a member of none.", "meta.id",
                 bounds=_FROM_ONE, nullable=True, since="1.4.0")
cluster_stability = _number("cluster_stability", "Mean Jaccard similarity of the cluster with its "
                            "likeness in bootstrapped samples; above 0.75 it is stable.",
                            "stat.value", bounds=_UNIT_INTERVAL, nullable=True, since="1.4.0")
feature = Column("feature", pa.string(), "Statistic (catalog_schema/statistics.py), measurement "
                 "(catalog_schema/measurements.py) or change (catalog_schema/changes.py).",
                 "meta.id", since="1.4.0")
feature_value = _number("feature_value", "Value of the feature, in its own unit.", nullable=True,
                        since="1.4.0")
feature_error = _number("feature_error", "One-sigma error of the value; null where none is known.",
                        "stat.error", bounds=_POSITIVE, nullable=True, since="1.4.0")
feature_wave = _number("feature_wave", "Rest wavelength at which the feature lies; null if it has "
                       "no place.", "em.wl", unit="Angstrom", nullable=True, since="1.4.0")
departure = _number("departure", "Significance of the feature in units of the spread of spectra "
                    "alike in SNR, redshift and coverage.", since="1.4.0")
contribution = _number("contribution", "What the feature adds to the logarithm of the odds of the "
                       "class against the class normal.", "stat.likelihood", since="1.4.0")
review_status = _coded("review_status", words.ReviewStatus, "State of the visual inspection.")

# Review
review_id = Column("review_id", pa.string(), "Identifier of the event.", "meta.id;meta.main",
                   since="1.4.0")
review_action = Column("review_action", pa.string(), "What the event does.", "meta.code",
                       vocabulary=words.ReviewAction.values(), since="1.4.0")
supersedes = Column("supersedes", pa.string(), "Earlier event of the same reviewer that this one "
                    "replaces.", "meta.id.assoc", nullable=True, since="1.4.0")
is_in_force = Column("is_in_force", pa.bool_(), "Whether it is the reviewer's last word on the "
                     "object, not retracted.", "meta.code", since="1.4.0")
reviewer = Column("reviewer", pa.string(), "Name under which the reviewer signs.", "meta.id",
                  since="1.4.0")
reviewed_at = Column("reviewed_at", pa.string(), "UTC time of the event, ISO 8601.",
                     "time.epoch", since="1.4.0")
review_release = Column("review_release", pa.string(), "Release that the reviewer looked at.",
                        "meta.version", since="1.4.0")
is_blinded = Column("is_blinded", pa.bool_(), "Whether score, tier and class were hidden; null "
                    "where unknown.", "meta.code", nullable=True, since="1.4.0")
seconds_spent = _number("seconds_spent", "Time from sight to verdict.", "time.duration", unit="s",
                        bounds=_POSITIVE, nullable=True, since="1.4.0")
verdict = Column("verdict", pa.string(), "Whether the reviewer finds the object anomalous; null "
                 "where not asked.", "meta.code", vocabulary=words.Verdict.values(), nullable=True,
                 since="1.4.0")
review_quality = Column(
    "review_quality", pa.int32(), "DESI's quality of a visual inspection: 4 confident, 3 probable, "
    "2 possible, 1 unlikely classification, 0 no signal.", "meta.code.qual", bounds=(0, 4),
    nullable=True, source="prospect, VI_quality", since="1.4.0",
)
review_issues = Column("review_issues", pa.string(), "R bad redshift fit, C bad spectral type, S "
                       "bad spectrum; empty if none.", "meta.code.qual",
                       source="prospect, VI_issue", since="1.4.0")
corrected_z = Column("corrected_z", pa.float64(), "Redshift by the reviewer, where it differs.",
                     "src.redshift", nullable=True, source="prospect, VI_z", since="1.4.0")
corrected_spectype = Column("corrected_spectype", pa.string(), "Spectral type by the reviewer, "
                            "where it differs.", "src.class", nullable=True,
                            vocabulary=("STAR", "GALAXY", "QSO"), source="prospect, VI_spectype",
                            since="1.4.0")
comment = Column("comment", pa.string(), "Free text.", "meta.note", source="prospect, VI_comment",
                 since="1.4.0")
queue_rank = Column("queue_rank", pa.int32(), "Place in the queue, from 1.", "stat.rank",
                    bounds=_FROM_ONE, since="1.4.0")
queue_source = Column("queue_source", pa.string(), "Why the object is in the queue.", "meta.code",
                      vocabulary=words.QueueSource.values(), since="1.4.0")
interest = Column("interest", pa.float64(), "How much the reviews so far and the score make of the "
                  "object; larger comes first; null for an object of the audit that is no "
                  "candidate.", "stat.value", nullable=True, since="1.4.0")
n_objects = _count("n_objects", "Objects of the tier.", since="1.4.0")
n_drawn = _count("n_drawn", "Objects of the tier that are drawn for the audit.", since="1.4.0")
verdict_counts = tuple(
    _count(f"n_{verdict.value}", f"Audited objects found {verdict.value}"
           + (", or disputed." if verdict is words.Verdict.UNSURE else "."), since="1.4.0")
    for verdict in words.Verdict
)
purity = _number("purity", "Share of anomalous among the audited objects with a verdict; null "
                 "without any.", "stat.value", bounds=_UNIT_INTERVAL, nullable=True, since="1.4.0")
purity_low = _number("purity_low", "Lower end of the 95 per cent Wilson interval of the purity.",
                     "stat.confidenceLevel;stat.min", bounds=_UNIT_INTERVAL, since="1.4.0")
purity_high = _number("purity_high", "Upper end of the 95 per cent Wilson interval of the purity.",
                      "stat.confidenceLevel;stat.max", bounds=_UNIT_INTERVAL, since="1.4.0")

# Ledger
stage = Column("stage", pa.string(), "Stage of the pipeline.", "meta.id")
state = _coded("state", words.ShardState, "State of the shard in the stage.")
n_expected = _count("n_expected", "Rows that the stage was given.")
n_made = _count("n_made", "Rows that the stage wrote.")
gate = Column("gate", pa.string(), "Named reason for which rows were dropped.", "meta.code")
n_dropped = _count("n_dropped", "Rows dropped by the gate.")
error = Column("error", pa.string(), "Why the shard failed.", "meta.note", nullable=True)

attempts = Column("attempts", pa.int32(), "How often work on the shard began.", "meta.number",
                  bounds=_POSITIVE)
worker = Column("worker", pa.string(), "Host and process that did the work; empty where none was "
                "needed.", "meta.id")
seconds = Column("seconds", pa.float64(), "Duration of the last attempt.", "time.duration", "s",
                 bounds=_POSITIVE)
n_bytes_moved = _count("n_bytes_moved", "Bytes fetched from the source, or written where none "
                       "were.", unit="byte")
n_requests = _count("n_requests", "Requests sent to the source.")
n_request_faults = _count("n_request_faults", "Requests that failed, mended by a later one or not.")

# Truth of the mock survey
true_class = Column("true_class", pa.string(), "What the mock object is.", "src.class")
z_true = Column("z_true", pa.float64(), "True redshift.", "src.redshift", nullable=True)
family = Column(
    "family", pa.string(), "Planted anomaly; null when normal.", "src.class", nullable=True
)
kind = Column("kind", pa.string(), "Astrophysical or instrumental.", "meta.code", nullable=True)
strength = Column("strength", pa.float64(), "Integrated strength in the spectrum's own sigma.",
                  "stat.snr", nullable=True)
wave_rest = Column("wave_rest", pa.float64(), "Rest wavelength of the planted feature.", "em.wl",
                   "Angstrom", nullable=True)
snr_true = Column("snr_true", pa.float64(), "Noise-free median signal-to-noise ratio per pixel.",
                  "stat.snr", nullable=True)
