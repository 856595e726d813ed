"""The statistics of which the anomaly score is made: names, order, meaning, reason given."""

from dataclasses import dataclass

from catalog_schema.vocabulary import Arm

# Widths of the matched filters, pixels of the rest-frame grid (69 km/s each at 1e-4 dex).
FILTER_WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Up to this width a filter's find is called narrow: 16 pixels are 1100 km/s.
NARROW_WIDTH = 16
# Filters at least this wide also give their mean power over the whole spectrum.
POWER_WIDTHS = (16, 32, 64, 128, 256)
# Of these widths the power is taken in each arm by itself: faults of an instrument keep to one.
ARM_POWER_WIDTHS = (1, 4, 16, 64)
# Hypotheses tested against the model's own freedom; see pipeline/spectra/science/hypotheses.py.
HYPOTHESES = {
    "b_offset": "arm_offset",
    "r_offset": "arm_offset",
    "z_offset": "arm_offset",
    "b_tilt": "arm_offset",
    "r_tilt": "arm_offset",
    "z_tilt": "arm_offset",
    "sky": "sky",
    "lines": "lines",
    "blue_lines": "lines",
    "slope": "continuum",
    "curvature": "continuum",
    "reddening": "continuum",
    "blackbody_3200": "second_source",
    "blackbody_4000": "second_source",
    "blackbody_5000": "second_source",
    "blackbody_7000": "second_source",
    "flat": "second_source",
    "iron": "iron",
}
# Second sources of which the best of many templates counts, at any redshift, and the reason.
SOURCES = {
    "star": "second_source",
    "galaxy": "second_source",
    "second_quasar": "second_source",
}
# Several narrow lines at one redshift of their own.
LINE_SETS = {"emitter": "narrow_emission", "absorber": "narrow_absorption"}
_OF_FLUX = ("{} of the flux", "")
# What a significance is one of, as words about a number, and its unit. Added light is a share of
# the mean flux, what multiplies the quasar's light one of that; widths are at rest.
AMPLITUDES: dict[str, tuple[str, str]] = {
    **{
        f"{kind}_{width}": ("equivalent width {}", "Angstrom")
        for kind in ("emission", "absorption")
        for width in FILTER_WIDTHS
    },
    **{f"ripple_{arm}": _OF_FLUX for arm in Arm.values()},
    **dict.fromkeys((*HYPOTHESES, *SOURCES), _OF_FLUX),
    **{f"{arm}_tilt": ("{} of the flux at the red end", "") for arm in Arm.values()},
    "slope": ("power-law index changed by {}", ""),
    "curvature": ("second-order index changed by {}", ""),
    "reddening": ("E(B-V) {}", "mag"),
    "emitter": ("[OII] with {}", "10**-17.erg.s**-1.cm**-2"),
    "absorber": ("equivalent width of its strongest line {}", "Angstrom"),
}
# A p-value below which a spectrum counts as strange, wherever strange ones are counted.
STRANGE_P_VALUE = 0.01
# As many of the population must be as strange for their share to be counted.
COUNTED = 10
# Leading directions of the latent that are looked at one by one.
LATENT_AXES = 8

REASONS = {
    "reconstruction": "The residual as a whole is larger than the noise.",
    "narrow_emission": "Excess flux up to 16 pixels (1100 km/s) wide, or lines of one system.",
    "narrow_absorption": "Missing flux up to 16 pixels (1100 km/s) wide, or one system's lines.",
    "broad_emission": "Excess flux wider than 16 pixels.",
    "broad_absorption": "Missing flux wider than 16 pixels.",
    "structure": "Residuals correlated over many pixels, all along the spectrum.",
    "scatter": "Residuals in one arm scatter by more than the noise, pixel by pixel or in ripples.",
    "arm_offset": "One arm too bright, too faint or tilted for the others.",
    "sky": "Residual that follows the noise, as sky light does.",
    "lines": "Emission lines stronger or weaker than the continuum leads to expect.",
    "continuum": "Slope or curvature of the continuum, reddening.",
    "second_source": "Light added or missing, as of a star, a galaxy or another quasar.",
    "iron": "Iron blends stronger or weaker than usual.",
    "latent": "Unusual combination of otherwise normal traits.",
}


@dataclass(frozen=True)
class Statistic:
    """One statistic.

    Attributes
    ----------
    name : str
    reason : str
        What a large departure means, one of `REASONS`.
    two_sided : bool
        Whether low values are as strange as high ones.
    is_ratio : bool
        Whether it scatters evenly in the logarithm.
    """

    name: str
    reason: str
    two_sided: bool = False
    is_ratio: bool = False

    @property
    def amplitude(self) -> str:
        """Words about the amplitude whose significance it is, a number in braces; none if empty."""
        return AMPLITUDES.get(self.name, ("", ""))[0]

    @property
    def unit(self) -> str:
        """VOUnit string of that amplitude; empty for a dimensionless one."""
        return AMPLITUDES.get(self.name, ("", ""))[1]


def find_smallest_counted(population: int) -> float:
    """Return the p-value below which it is an extrapolation of the population's tail."""
    return COUNTED / (population + 1)


def _list_statistics() -> tuple[Statistic, ...]:
    filters = [
        Statistic(f"{kind}_{width}", f"{'narrow' if width <= NARROW_WIDTH else 'broad'}_{kind}")
        for kind in ("emission", "absorption")
        for width in FILTER_WIDTHS
    ]
    return (
        *(
            Statistic(name, "reconstruction", is_ratio=True)
            for name in ("chi2", "chi2_b", "chi2_r", "chi2_z")
        ),
        *filters,
        *(Statistic(f"power_{width}", "structure", is_ratio=True) for width in POWER_WIDTHS),
        *(
            Statistic(f"power_{width}_{arm}", "scatter", is_ratio=True)
            for arm in Arm.values()
            for width in ARM_POWER_WIDTHS
        ),
        *(Statistic(f"ripple_{arm}", "scatter") for arm in Arm.values()),
        *(Statistic(name, reason, two_sided=True) for name, reason in HYPOTHESES.items()),
        *(Statistic(name, reason) for name, reason in (SOURCES | LINE_SETS).items()),
        Statistic("distance", "latent", is_ratio=True),
        Statistic("kl_divergence", "latent", is_ratio=True),
        Statistic("isolation", "latent"),
        *(Statistic(f"axis_{k}", "latent", two_sided=True) for k in range(LATENT_AXES)),
    )


STATISTICS = _list_statistics()
