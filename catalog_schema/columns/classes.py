"""What a spectrum is, with probabilities, and where it lies among the others."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import FROM_ONE, UNIT_INTERVAL, coded, number
from catalog_schema.statistics import STRANGE_P_VALUE

class_state = coded(
    "class_state", words.ClassState, "Whether the {noun} was classified, and if not, why."
)
artefact_probability = number(
    "artefact_probability",
    "Probability that instrument or reduction "
    "caused the anomaly, if there is one; null where not classified.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
)
anomaly_class = Column(
    "anomaly_class",
    pa.string(),
    "Most probable class, but unknown where the score finds a {noun} that is most probably normal; "
    "null where not classified.",
    "src.class",
    nullable=True,
)
class_probabilities = number(
    "class_probabilities",
    "Probabilities of the classes {classes}, in this order; they add up to 1, or are NaN where "
    "not classified.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    may_be_nan=True,
    array="anomaly_class",
    since="1.4.0",
)
artefact_kind = Column(
    "artefact_kind",
    pa.string(),
    "Most probable kind of artefact; null unless the class is artefact.",
    "meta.code",
    nullable=True,
    since="1.4.0",
)
better_z = Column(
    "better_z",
    pa.float64(),
    "Redshift at which the anomaly vanishes; null if there is none.",
    "src.redshift",
    nullable=True,
    since="1.4.0",
)
log_odds = Column(
    "log_odds",
    pa.float64(),
    "Logarithm of the odds of all other classes against normal; null where not classified.",
    "stat.likelihood",
    nullable=True,
    since="1.4.0",
)
joint_p_value = Column(
    "joint_p_value",
    pa.float64(),
    "Probability that an ordinary {member} is as "
    "strange and as like a known phenomenon: p_value and the odds against "
    "normal together; p_value where nothing taught the classes (no_examples), "
    "null without signal.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
night_p_value = Column(
    "night_p_value",
    pa.float64(),
    "Probability that as many of the other "
    f"spectra of the same NIGHT are strange (p below {STRANGE_P_VALUE}) by "
    "chance; null if not known.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
petal_p_value = Column(
    "petal_p_value",
    pa.float64(),
    "The same for the spectra of the same petal in the same night.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
fibre_p_value = Column(
    "fibre_p_value",
    pa.float64(),
    "The same for the spectra of the same fibre in all nights.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
field_p_value = Column(
    "field_p_value",
    pa.float64(),
    "Probability that as many of the other "
    f"spectra of the same HEALPIX are strange (p below {STRANGE_P_VALUE}) by "
    "chance.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    since="1.4.0",
)
map_x = number(
    "map_x",
    "First coordinate on the map of latents and residuals; null where not on it.",
    "stat.value",
    nullable=True,
    since="1.4.0",
)
map_y = number(
    "map_y",
    "Second coordinate on the map of latents and residuals; null where not on it.",
    "stat.value",
    nullable=True,
    since="1.4.0",
)
cluster = Column(
    "cluster",
    pa.int32(),
    "Number of the unsupervised family of strange {nouns}, "
    "from 1 for the largest; null for a member of none.",
    "meta.id",
    bounds=FROM_ONE,
    nullable=True,
    since="1.4.0",
)
cluster_stability = number(
    "cluster_stability",
    "Mean Jaccard similarity of the cluster with its "
    "likeness in bootstrapped samples; above 0.75 it is stable.",
    "stat.value",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)

NAMED = (
    class_state,
    anomaly_class,
    class_probabilities,
    log_odds,
    joint_p_value,
    artefact_probability,
    artefact_kind,
)
CROWDS = (night_p_value, petal_p_value, fibre_p_value, field_p_value)
FAMILIES = (map_x, map_y, cluster, cluster_stability)
