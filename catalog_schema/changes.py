"""The broad lines that are compared with an earlier spectrum, and the changes that are evidence."""

# Name in columns: as it is written.
CHANGED_LINES = {"civ": "CIV", "ciii": "CIII]", "mgii": "MgII", "hbeta": "H-beta",
                 "halpha": "H-alpha"}  # fmt: skip
# Features of the evidence, and what they mean; `changes` holds them as columns.
CHANGES = {
    f"{line}_change": f"Change of {title} since an earlier spectrum, over its error; positive "
    "where it is brighter now."
    for line, title in CHANGED_LINES.items()
}
