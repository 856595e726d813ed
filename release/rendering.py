"""The templates of a release, filled."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"


def render(name: str, facts: dict[str, Any]) -> str:
    """Fill a template of this package."""
    return load_template(name).render(facts)


def find_template(name: str, kind: str) -> str:
    """Return the template of a name in a kind's own folder, or the one that all others share."""
    own = Path(kind, name).as_posix()
    return own if (TEMPLATES / own).is_file() else name


def load_template(name: str) -> "Template":
    """Return a template of this package; in HTML all text is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
