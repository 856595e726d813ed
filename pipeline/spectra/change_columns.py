"""A comparison of two spectra of one object as columns of `changes`."""

from typing import Any

import numpy as np

from catalog_schema.vocabulary import ChangeState, ScaleSource
from pipeline.settings.spectra import EarlierSettings
from pipeline.spectra.science.epochs import Comparison, LineChange, Value


def find_changed(comparison: Comparison, settings: EarlierSettings) -> str | None:
    """Return the broad line that has appeared or vanished most significantly, None without any."""
    changed = {
        name: abs(line.change)
        for name, line in comparison.lines.items()
        if abs(line.change) > settings.min_change and line.left <= settings.max_left
    }
    return max(changed, key=lambda name: changed[name], default=None)


def describe(found: Comparison, settings: EarlierSettings) -> dict[str, Any]:
    """Return the columns of `changes` that tell a comparison."""
    state = ChangeState.parse(found.state)
    if state is not ChangeState.MEASURED:
        return {"change_state": state.value}
    source = ScaleSource.OIII if found.is_anchored else ScaleSource.ASSUMED
    changed = find_changed(found, settings)
    row = {
        "change_state": state.value,
        "scale_source": source.value,
        "has_changed": changed is not None,
        **_name("flux_scale", found.scale),
        **_name("continuum_ratio", found.continuum),
        **_name("colour_change", found.colour),
    }
    for name, line in found.lines.items():
        row |= _describe_line(name, line)
    if (told := changed or found.strongest) is not None:
        line = found.lines[told]
        row |= {"changed_line": told, "line_change": line.change, **_name("line_ratio", line.ratio)}
    return row


def _describe_line(name: str, line: LineChange) -> dict[str, float | None]:
    return {
        **_name(f"{name}_flux", line.now),
        **_name(f"{name}_earlier_flux", line.then),
        f"{name}_change": line.change,
    }


def _name(name: str, value: Value) -> dict[str, float | None]:
    """Return value and error as columns, null where they are not known."""
    pair = {name: value.value, f"{name}_error": value.error}
    return {key: number if np.isfinite(number) else None for key, number in pair.items()}
