"""The external catalogues that were searched."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, count, number
from catalog_schema.columns.matches import catalogue, query_date

catalogue_title = Column(
    "catalogue_title",
    pa.string(),
    "Title and release of the catalogue.",
    "meta.title",
    since="1.3.0",
)
access = Column(
    "access",
    pa.string(),
    "How the catalogue was searched.",
    "meta.code",
    vocabulary=("xmatch", "tap", "file", "none"),
    since="1.3.0",
)
location = Column(
    "location",
    pa.string(),
    "Table at the service, or name of the local file.",
    "meta.id",
    nullable=True,
    since="1.3.0",
)
file_digest = Column(
    "file_digest",
    pa.string(),
    "SHA-256 of the SHA-256 of each local file.",
    "meta.id",
    nullable=True,
    since="1.3.0",
)
match_radius = number(
    "match_radius",
    "Largest separation of a counterpart.",
    "pos.angDistance",
    unit="arcsec",
    bounds=POSITIVE,
    since="1.3.0",
)
max_normalised_separation = number(
    "max_normalised_separation",
    "Largest normalised separation of a counterpart that states its "
    "error; null where only the radius counts.",
    "pos.angDistance;arith.ratio",
    bounds=POSITIVE,
    nullable=True,
    since="1.3.0",
)
match_link = Column(
    "match_link",
    pa.string(),
    "Address of a counterpart's page, once its "
    "URL-encoded match_id takes the place of {id}; null if there is none.",
    "meta.ref.url",
    nullable=True,
    since="1.4.0",
)
catalogue_epoch = Column(
    "catalogue_epoch",
    pa.float64(),
    "Julian epoch of the catalogue's positions.",
    "time.epoch",
    "yr",
    nullable=True,
    since="1.3.0",
)
coverage_rule = Column(
    "coverage_rule", pa.string(), "Where the catalogue covers the sky.", "meta.note", since="1.3.0"
)
chance_rate = number(
    "chance_rate",
    "Mean number of counterparts of a shifted position inside "
    "the coverage; null where nothing was searched.",
    "stat.value",
    bounds=POSITIVE,
    nullable=True,
    since="1.3.0",
)
n_shifted = count("n_shifted", "Shifted positions inside the coverage.", since="1.3.0")
n_sources = count(
    "n_sources",
    "Sources of a local file that were searched; null for a service.",
    nullable=True,
    since="1.3.0",
)
n_bad_positions = count(
    "n_bad_positions",
    "Rows of a local file left out for want of a valid position.",
    nullable=True,
    since="1.3.0",
)
n_duplicates = count(
    "n_duplicates", "Rows of a local file left out as duplicates.", nullable=True, since="1.3.0"
)
match_counts = tuple(
    count(f"n_{state.value}", f"Objects in state {state.value}. {state.meaning}", since="1.3.0")
    for state in words.MatchState
)
acknowledgement = Column(
    "acknowledgement",
    pa.string(),
    "Text that users of the catalogue owe.",
    "meta.note",
    since="1.3.0",
)

CATALOGUES = (
    catalogue,
    catalogue_title,
    access,
    location,
    match_link,
    file_digest,
    match_radius,
    max_normalised_separation,
    catalogue_epoch,
    coverage_rule,
    chance_rate,
    n_shifted,
    n_sources,
    n_bad_positions,
    n_duplicates,
    *match_counts,
    query_date,
    acknowledgement,
)
