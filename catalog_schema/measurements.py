"""The physical measurements from which anomalies are classified: names, order, unit, meaning."""

from dataclasses import dataclass

from catalog_schema.lines import LINES


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Attributes
    ----------
    name : str
    meaning : str
    unit : str
        VOUnit string; empty for a dimensionless one.
    """

    name: str
    meaning: str
    unit: str = ""


# The broad lines whose shape is measured, and the narrow ones whose strength is.
BROAD_LINES = ("lya", "siiv", "civ", "ciii", "mgii", "hgamma", "hbeta", "halpha")
NARROW_LINES = ("oii", "oiii")
# What the whole spectrum is fitted by.
ALTERNATIVES = {
    "quasar": "the quasar's model",
    "weak": "the model's continuum with a slope of its own",
    "host": "the model with lines of any strength and a galaxy at its redshift",
    "smooth": "a cubic curve",
    "star": "a star",
    "quasar_star": "the model with a star",
    "galaxy": "a foreground galaxy",
    "quasar_galaxy": "the model with a foreground galaxy",
}
_ANGSTROM, _VELOCITY = "Angstrom", "km.s**-1"


def _list_measurements() -> tuple[Measurement, ...]:
    lines = [
        measurement
        for line, title in ((key, LINES[key].title) for key in BROAD_LINES)
        for measurement in (
            Measurement(f"{line}_ew", f"Equivalent width of {title}.", _ANGSTROM),
            Measurement(
                f"{line}_strength", f"Excess of {title} over the model, as a Gaussian.", _ANGSTROM
            ),
            Measurement(
                f"{line}_shift",
                f"Excess of {title} redward minus blueward of its centre.",
                _ANGSTROM,
            ),
            Measurement(
                f"{line}_width",
                f"Excess of {title} in its wings over its core: wider or split.",
                _ANGSTROM,
            ),
        )
    ]
    return (
        *lines,
        Measurement("oii_ew", "Equivalent width of narrow [OII].", _ANGSTROM),
        Measurement("oiii_ew", "Equivalent width of narrow [OIII] 5008.", _ANGSTROM),
        Measurement(
            "low_ionisation_width", "Mean of the widths of MgII and the Balmer lines.", _ANGSTROM
        ),
        Measurement(
            "unidentified_line",
            "Signal-to-noise ratio of the strongest narrow excess away from all known lines.",
        ),
        Measurement(
            "line_sharpness", "Share of the strongest narrow excess in the central 3 of 9 pixels."
        ),
        Measurement(
            "width_beyond_resolution",
            "Width of the strongest narrow excess over the instrument's resolution, minus 1 (no "
            "source is below 0).",
        ),
        Measurement(
            "line_noise",
            "Noise variance in the strongest narrow excess over that of its surroundings.",
        ),
        Measurement("n_spikes", "Number of separate narrow excesses above 5 sigma."),
        Measurement("hibal", "Depth of the best common trough of CIV, SiIV, NV and Lyman-alpha."),
        Measurement(
            "hibal_speed", "Outflow speed of the best common trough of CIV and others.", _VELOCITY
        ),
        Measurement("lobal", "Depth of the best common trough of MgII and AlIII."),
        Measurement(
            "lobal_speed", "Outflow speed of the best common trough of MgII and AlIII.", _VELOCITY
        ),
        Measurement("iron_trough", "Depth of the best common trough of the FeII multiplets."),
        Measurement(
            "iron_trough_speed", "Outflow speed of the best common trough of FeII.", _VELOCITY
        ),
        Measurement("bi_civ", "Balnicity index of CIV.", _VELOCITY),
        Measurement("ai_civ", "Absorption index of CIV.", _VELOCITY),
        Measurement("bi_mgii", "Balnicity index of MgII from 1000 km/s.", _VELOCITY),
        Measurement("dla", "Depth of damped Lyman-alpha absorption on the line of sight."),
        Measurement(
            "dla_column",
            "Decimal logarithm of the damped absorption's column density N(HI) in cm**-2.",
        ),
        Measurement("continuum_slope", "Power-law slope of the continuum in wavelength."),
        Measurement(
            "dust_reddening", "E(B-V) of dust at the quasar if its slope were ordinary.", "mag"
        ),
        Measurement("star_molecules", "Flux that TiO and MgH bands take away at redshift 0."),
        Measurement("star_metals", "Flux that CaII, G band, Mg b and NaI take away at redshift 0."),
        Measurement("star_balmer", "Flux that Balmer lines take away at redshift 0."),
        Measurement("host_step", "Step of the residual at 4000 Angstrom in the rest frame."),
        Measurement("host_calcium", "Flux that CaII K takes away in the rest frame."),
        Measurement(
            "second_emission",
            "Summed signal-to-noise ratio of a foreground galaxy's emission lines.",
        ),
        Measurement("second_emission_z", "Redshift of the foreground galaxy in emission."),
        Measurement(
            "second_absorption",
            "Summed signal-to-noise ratio of a foreground galaxy's absorption lines.",
        ),
        Measurement("second_absorption_z", "Redshift of the foreground galaxy in absorption."),
        Measurement("share_sky", "Share of the excess chi-squared on sky lines."),
        Measurement("share_telluric", "Share of the excess chi-squared in telluric bands."),
        Measurement("share_joins", "Share of the excess chi-squared where the arms overlap."),
        Measurement("share_edges", "Share of the excess chi-squared at the ends of the spectrum."),
        Measurement("share_masked", "Share of the excess chi-squared next to masked pixels."),
        Measurement("sky_lines", "Projection of the residual on sky lines."),
        Measurement("step_br", "Step of residual over model where b hands over to r."),
        Measurement("step_rz", "Step of residual over model where r hands over to z."),
        Measurement("fringes", "Relative amplitude of the strongest ripple beyond 8000 Angstrom."),
        Measurement("bump", "Height of the strongest smooth bump in observed wavelength."),
        Measurement(
            "bump_share", "Share of the smooth excess chi-squared that this bump explains."
        ),
        *(
            Measurement(
                f"misfit_{name}",
                f"Root of the chi-squared by which {title} fits worse than the best.",
            )
            for name, title in ALTERNATIVES.items()
        ),
    )


MEASUREMENTS = _list_measurements()
