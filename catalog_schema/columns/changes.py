"""What changed since an earlier spectrum."""

from typing import Any

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.changes import CHANGED_LINES
from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, number
from catalog_schema.columns.matches import separation

_LINE_FLUX = "10**-17 erg.s**-1.cm**-2"

earlier_file = Column(
    "earlier_file", pa.string(), "File of the earlier spectrum.", "meta.id;meta.file", since="1.4.0"
)
earlier_mjd = Column(
    "earlier_mjd",
    pa.float64(),
    "Modified Julian date of the earlier spectrum.",
    "time.epoch",
    "d",
    source="index of the earlier spectra",
    since="1.4.0",
)
change_state = Column(
    "change_state",
    pa.string(),
    "Whether the earlier spectrum was compared, and if not, why.",
    "meta.code",
    vocabulary=words.ChangeState.values(),
    since="1.4.0",
)
change_error = Column(
    "change_error",
    pa.string(),
    "What is wrong with an unreadable file.",
    "meta.note",
    nullable=True,
    since="1.4.0",
)
rest_days = number(
    "rest_days",
    "Time from the earlier spectrum to MEAN_MJD in the rest frame; "
    "null where the latter is not known.",
    "time.interval",
    unit="d",
    nullable=True,
    since="1.4.0",
)
earlier_snr = number(
    "earlier_snr",
    "Median signal-to-noise ratio per pixel of the earlier spectrum.",
    "stat.snr;em.opt",
    nullable=True,
    since="1.4.0",
)
scale_source = Column(
    "scale_source",
    pa.string(),
    "What tells flux_scale; null where not compared.",
    "meta.code",
    vocabulary=words.ScaleSource.values(),
    nullable=True,
    since="1.4.0",
)
flux_scale = number(
    "flux_scale",
    "Factor by which the earlier flux is multiplied: losses at the two fibres differ.",
    "arith.factor",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
flux_scale_error = number(
    "flux_scale_error",
    "One-sigma error of flux_scale.",
    "stat.error",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
continuum_ratio = number(
    "continuum_ratio",
    "Continuum now over the earlier one, which is "
    "multiplied by flux_scale: geometric mean over windows without lines.",
    "phot.flux.density;arith.ratio",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
continuum_ratio_error = number(
    "continuum_ratio_error",
    "One-sigma error of continuum_ratio, without that of flux_scale.",
    "stat.error",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
colour_change = number(
    "colour_change",
    "Power of wavelength by which that ratio runs; negative where the continuum is bluer now.",
    "spect.index",
    nullable=True,
    since="1.4.0",
)
colour_change_error = number(
    "colour_change_error",
    "One-sigma error of colour_change.",
    "stat.error",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)


def _line_columns(line: str, title: str) -> tuple[Column, ...]:
    def flux(name: str, text: str, **rest: Any) -> Column:
        facts = {"ucd": "phot.flux;spect.line", **rest}
        return number(
            f"{line}_{name}",
            f"{text} null where not in both spectra.",
            unit=_LINE_FLUX,
            nullable=True,
            since="1.4.0",
            **facts,
        )

    error = {"ucd": "stat.error;phot.flux", "bounds": POSITIVE}
    return (
        flux(
            "flux",
            f"Flux of {title} as a Gaussian, narrow parts included, dereddened;",
        ),
        flux("flux_error", f"One-sigma error of {line}_flux;", **error),
        flux("earlier_flux", f"{line}_flux of the earlier spectrum, multiplied by flux_scale;"),
        flux(
            "earlier_flux_error",
            f"One-sigma error of {line}_earlier_flux, without that of flux_scale;",
            **error,
        ),
        number(
            f"{line}_change",
            f"Difference of the two fluxes of {title} over its error, that "
            "of flux_scale included; positive where the line is brighter now.",
            "stat.snr",
            nullable=True,
            since="1.4.0",
        ),
    )


line_changes = tuple(
    column for line, title in CHANGED_LINES.items() for column in _line_columns(line, title)
)
changed_line = Column(
    "changed_line",
    pa.string(),
    "Broad line whose change is the most "
    "significant, of those that has_changed is about if it holds; null without "
    "any.",
    "meta.id",
    nullable=True,
    vocabulary=tuple(CHANGED_LINES),
    since="1.4.0",
)
line_ratio = number(
    "line_ratio",
    "Flux of changed_line now over the earlier one.",
    "phot.flux;arith.ratio",
    nullable=True,
    since="1.4.0",
)
line_ratio_error = number(
    "line_ratio_error",
    "One-sigma error of line_ratio, to first order, that of flux_scale included.",
    "stat.error",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
line_change = number(
    "line_change",
    "Significance of the change of changed_line.",
    "stat.snr",
    nullable=True,
    since="1.4.0",
)
has_changed = Column(
    "has_changed",
    pa.bool_(),
    "Whether a broad line has appeared or vanished: "
    "its change exceeds earlier.min_change, and at most earlier.max_left of the "
    "brighter flux is left in the fainter.",
    "meta.code",
    since="1.4.0",
)

CHANGES = (
    earlier_file,
    earlier_mjd,
    separation,
    change_state,
    change_error,
    rest_days,
    earlier_snr,
    scale_source,
    flux_scale,
    flux_scale_error,
    continuum_ratio,
    continuum_ratio_error,
    colour_change,
    colour_change_error,
    *line_changes,
    changed_line,
    line_ratio,
    line_ratio_error,
    line_change,
    has_changed,
)
