"""The broad lines that are compared with an earlier spectrum, and the changes that are evidence."""

# Name in columns: as it is written.
CHANGED_LINES = {
    "civ": "CIV",
    "ciii": "CIII]",
    "mgii": "MgII",
    "hbeta": "H-beta",
    "halpha": "H-alpha",
}
# Features of the evidence, and what they mean; the departure is the column of the same name.
CHANGES = {
    f"{line}_change": f"Flux of {title} over that in an earlier spectrum; the departure is the "
    "significance of the difference, positive where the line is brighter now."
    for line, title in CHANGED_LINES.items()
}
