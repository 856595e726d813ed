"""Counterparts in external catalogues."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import FROM_ONE, POSITIVE, UNIT_INTERVAL, coded, number

catalogue = Column("catalogue", pa.string(), "Name of the external catalogue.", "meta.id")
match_state = coded("match_state", words.MatchState, "Outcome of the search for a counterpart.")
match_rank = Column(
    "match_rank",
    pa.int32(),
    "1 for the nearest counterpart or where there is none; further "
    "counterparts follow in order of separation.",
    "stat.rank",
    bounds=FROM_ONE,
    since="1.3.0",
)
n_candidates = Column(
    "n_candidates",
    pa.int32(),
    "Catalogue sources that are possible counterparts of the object.",
    "meta.number",
    bounds=POSITIVE,
    since="1.3.0",
)
match_id = Column(
    "match_id", pa.string(), "Identifier of the counterpart.", "meta.id.cross", nullable=True
)
match_ra = Column(
    "match_ra",
    pa.float64(),
    "Right ascension of the counterpart, ICRS, at the objects' epoch.",
    "pos.eq.ra",
    "deg",
    bounds=(0, 360),
    nullable=True,
    since="1.3.0",
)
match_dec = Column(
    "match_dec",
    pa.float64(),
    "Declination of the counterpart, ICRS, at the objects' epoch.",
    "pos.eq.dec",
    "deg",
    bounds=(-90, 90),
    nullable=True,
    since="1.3.0",
)
separation = number(
    "separation",
    "Angular distance to the counterpart.",
    "pos.angDistance",
    unit="arcsec",
    bounds=POSITIVE,
    nullable=True,
)
normalised_separation = number(
    "normalised_separation",
    "Separation over the one-sigma positional error per axis of object "
    "and counterpart combined; null where the catalogue states no error.",
    "pos.angDistance;arith.ratio",
    bounds=POSITIVE,
    nullable=True,
    since="1.3.0",
)
chance_probability = number(
    "chance_probability",
    "Probability that an unrelated source lies as near, from the density of "
    "sources at shifted positions.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.3.0",
)
attributes = Column(
    "attributes",
    pa.string(),
    "Columns of the catalogue that are carried along, "
    "a JSON object under the catalogue's own names.",
    "meta.note",
    nullable=True,
    since="1.3.0",
)
object_type = Column(
    "object_type",
    pa.string(),
    "Type of the counterpart in the catalogue's own words; null if it tells none.",
    "src.class",
    nullable=True,
    since="1.4.0",
)
n_references = Column(
    "n_references",
    pa.int32(),
    "Publications that mention the counterpart, as "
    "counted by the catalogue; null if it counts none.",
    "meta.number",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
query_date = Column(
    "query_date",
    pa.string(),
    "UTC day on which the service was asked; null for a local file.",
    "time.epoch",
    nullable=True,
    since="1.3.0",
)
service_error = Column(
    "service_error",
    pa.string(),
    "What went wrong at the service.",
    "meta.note",
    nullable=True,
    since="1.3.0",
)

MATCHES = (
    catalogue,
    match_state,
    match_rank,
    n_candidates,
    match_id,
    match_ra,
    match_dec,
    separation,
    normalised_separation,
    chance_probability,
    object_type,
    n_references,
    attributes,
    query_date,
    service_error,
)
