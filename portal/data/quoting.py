"""Names and texts as SQL writes them, whoever has chosen them: none can end its quotes."""


def quote_name(name: str) -> str:
    """Return the name of a column as SQL."""
    return '"{}"'.format(name.replace('"', '""'))


def quote_text(value: object) -> str:
    """Return a text, or a path, as a literal of SQL."""
    return "'{}'".format(str(value).replace("'", "''"))
