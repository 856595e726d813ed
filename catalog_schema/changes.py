"""The broad lines that are compared with an earlier spectrum, and the changes that are evidence."""

from catalog_schema.lines import LINES

# Name in columns: as it is written.
CHANGED_LINES = {key: LINES[key].title for key in ("civ", "ciii", "mgii", "hbeta", "halpha")}
# Features of the evidence, and what they mean; the departure is the column of the same name.
CHANGES = {
    f"{line}_change": f"Flux of {title} over that in an earlier spectrum; the departure is the "
    "significance of the difference, positive where the line is brighter now."
    for line, title in CHANGED_LINES.items()
}
