"""The spectral lines that anything here measures, plants or draws.

Rest wavelengths are in Å in vacuum. Single transitions: NIST Atomic Spectra Database; those that
absorb: Morton 2003 (ApJS 149, 205). Doublets and blends that quasars show as one line: laboratory
means of Vanden Berk et al. 2001 (AJ 122, 549, table 2), and of the SDSS line list for the blends
Si IV+O IV], Mg b and the G band. Fe 5270 and Fe 5335: centres of the Lick indices (named by their
places in air). Heads of molecular bands: Pearse & Gaydon 1976. Iron bands: centres of the
multiplets in Vestergaard & Wilkes 2001 and Boroson & Green 1992.
"""

from enum import StrEnum
from typing import NamedTuple


class LineKind(StrEnum):
    """What a line is in the spectrum of a quasar or of a star."""

    BROAD = "broad"
    NARROW = "narrow"
    ABSORPTION = "absorption"
    STELLAR = "stellar"
    IRON_BAND = "iron_band"
    MOLECULAR_BAND = "molecular_band"
    EDGE = "edge"


class Line(NamedTuple):
    """A transition, or a blend that is named as one.

    Attributes
    ----------
    key : str
        What code and columns call it: mgii; s_iii and si_ii where letters would run together.
    name : str
        What people call it.
    wave : float
        Rest wavelength in vacuum, Å; of a band its centre, of a molecular band its head.
    kind : LineKind
    """

    key: str
    name: str
    wave: float
    kind: LineKind

    @property
    def title(self) -> str:
        """The name in ASCII, as descriptions of columns write it: CIV, H-beta."""
        title = self.name.replace(" ", "").replace("Ly", "Lyman")
        for letter, spelt in _GREEK.items():
            title = title.replace(letter, spelt)
        return title


_GREEK = {"α": "-alpha", "β": "-beta", "γ": "-gamma", "δ": "-delta", "ε": "-epsilon"}

_ALL = (
    Line("lyman_limit", "Lyman limit", 911.75, LineKind.EDGE),
    Line("balmer_edge", "Balmer edge", 3647.01, LineKind.EDGE),
    # Permitted and semi-forbidden lines of the broad-line region.
    Line("lyepsilon", "Lyε", 937.80, LineKind.BROAD),
    Line("lydelta", "Lyδ", 949.74, LineKind.BROAD),
    Line("lygamma", "Lyγ", 972.54, LineKind.BROAD),
    Line("lybeta", "Lyβ", 1025.72, LineKind.BROAD),
    Line("ovi", "O VI", 1033.83, LineKind.BROAD),
    Line("lya", "Lyα", 1215.67, LineKind.BROAD),
    Line("nv", "N V", 1240.14, LineKind.BROAD),
    Line("si_ii_1263", "Si II", 1262.59, LineKind.BROAD),
    Line("oi_1304", "O I", 1304.35, LineKind.BROAD),
    Line("cii_1335", "C II", 1335.30, LineKind.BROAD),
    Line("siiv", "Si IV+O IV]", 1399.80, LineKind.BROAD),
    Line("niv", "N IV]", 1486.50, LineKind.BROAD),
    Line("civ", "C IV", 1549.06, LineKind.BROAD),
    Line("heii_1640", "He II", 1640.42, LineKind.BROAD),
    Line("oiii_1663", "O III]", 1663.48, LineKind.BROAD),
    Line("niii", "N III]", 1750.26, LineKind.BROAD),
    Line("aliii", "Al III", 1857.40, LineKind.BROAD),
    Line("si_iii", "Si III]", 1892.03, LineKind.BROAD),
    Line("ciii", "C III]", 1908.73, LineKind.BROAD),
    Line("cii_2326", "C II]", 2326.44, LineKind.BROAD),
    Line("mgii", "Mg II", 2798.75, LineKind.BROAD),
    Line("h12", "H12", 3751.22, LineKind.BROAD),
    Line("h11", "H11", 3771.70, LineKind.BROAD),
    Line("h10", "H10", 3798.98, LineKind.BROAD),
    Line("h9", "H9", 3836.47, LineKind.BROAD),
    Line("h8", "H8", 3890.15, LineKind.BROAD),
    Line("hepsilon", "Hε", 3971.20, LineKind.BROAD),
    Line("hdelta", "Hδ", 4102.89, LineKind.BROAD),
    Line("hgamma", "Hγ", 4341.68, LineKind.BROAD),
    Line("heii_4687", "He II", 4687.02, LineKind.BROAD),
    Line("hbeta", "Hβ", 4862.68, LineKind.BROAD),
    Line("hei_5877", "He I", 5877.29, LineKind.BROAD),
    Line("halpha", "Hα", 6564.61, LineKind.BROAD),
    Line("hei_7067", "He I", 7067.20, LineKind.BROAD),
    Line("oi_8449", "O I", 8448.68, LineKind.BROAD),
    # Forbidden lines of the narrow-line region.
    Line("neiv", "[Ne IV]", 2423.83, LineKind.NARROW),
    Line("nev_3346", "[Ne V]", 3346.82, LineKind.NARROW),
    Line("nev", "[Ne V]", 3426.84, LineKind.NARROW),
    Line("oii_3727", "[O II]", 3727.09, LineKind.NARROW),
    Line("oii", "[O II]", 3728.48, LineKind.NARROW),
    Line("oii_3729", "[O II]", 3729.88, LineKind.NARROW),
    Line("neiii", "[Ne III]", 3869.85, LineKind.NARROW),
    Line("neiii_3968", "[Ne III]", 3968.58, LineKind.NARROW),
    Line("oiii_4364", "[O III]", 4364.44, LineKind.NARROW),
    Line("oiii_4960", "[O III]", 4960.30, LineKind.NARROW),
    Line("oiii", "[O III]", 5008.24, LineKind.NARROW),
    Line("oi", "[O I]", 6302.05, LineKind.NARROW),
    Line("oi_6365", "[O I]", 6365.54, LineKind.NARROW),
    Line("nii_6549", "[N II]", 6549.85, LineKind.NARROW),
    Line("nii", "[N II]", 6585.28, LineKind.NARROW),
    Line("s_ii_6718", "[S II]", 6718.29, LineKind.NARROW),
    Line("s_ii", "[S II]", 6725.48, LineKind.NARROW),
    Line("s_ii_6732", "[S II]", 6732.67, LineKind.NARROW),
    Line("ariii", "[Ar III]", 7137.80, LineKind.NARROW),
    Line("oii_7321", "[O II]", 7321.48, LineKind.NARROW),
    Line("s_iii_9071", "[S III]", 9071.10, LineKind.NARROW),
    Line("s_iii_9533", "[S III]", 9533.20, LineKind.NARROW),
    # Resonance lines of gas in front of the quasar; Si IV alone, which in emission is a blend.
    Line("si_ii_1260", "Si II", 1260.42, LineKind.ABSORPTION),
    Line("cii_1334", "C II", 1334.53, LineKind.ABSORPTION),
    Line("nv_1239", "N V", 1238.82, LineKind.ABSORPTION),
    Line("nv_1243", "N V", 1242.80, LineKind.ABSORPTION),
    Line("si_iv_1394", "Si IV", 1393.76, LineKind.ABSORPTION),
    Line("si_iv_1397", "Si IV", 1396.76, LineKind.ABSORPTION),
    Line("si_iv_1403", "Si IV", 1402.77, LineKind.ABSORPTION),
    Line("civ_1548", "C IV", 1548.20, LineKind.ABSORPTION),
    Line("civ_1551", "C IV", 1550.78, LineKind.ABSORPTION),
    Line("feii_1608", "Fe II", 1608.45, LineKind.ABSORPTION),
    Line("alii_1671", "Al II", 1670.79, LineKind.ABSORPTION),
    Line("aliii_1855", "Al III", 1854.72, LineKind.ABSORPTION),
    Line("aliii_1863", "Al III", 1862.79, LineKind.ABSORPTION),
    Line("feii_2344", "Fe II", 2344.21, LineKind.ABSORPTION),
    Line("feii_2374", "Fe II", 2374.46, LineKind.ABSORPTION),
    Line("feii_2383", "Fe II", 2382.76, LineKind.ABSORPTION),
    Line("feii_2587", "Fe II", 2586.65, LineKind.ABSORPTION),
    Line("feii_2600", "Fe II", 2600.17, LineKind.ABSORPTION),
    Line("feii_2740", "Fe II", 2740.36, LineKind.ABSORPTION),
    Line("feii_2750", "Fe II", 2750.13, LineKind.ABSORPTION),
    Line("feii_2757", "Fe II", 2756.55, LineKind.ABSORPTION),
    Line("mgii_2796", "Mg II", 2796.35, LineKind.ABSORPTION),
    Line("mgii_2804", "Mg II", 2803.53, LineKind.ABSORPTION),
    Line("hei_2946", "He I", 2945.97, LineKind.ABSORPTION),
    Line("hei_3189", "He I", 3188.67, LineKind.ABSORPTION),
    Line("hei_3890", "He I", 3889.75, LineKind.ABSORPTION),
    # What stars of late type absorb, besides the Balmer lines.
    Line("caii_k", "Ca II K", 3934.78, LineKind.STELLAR),
    Line("caii_h", "Ca II H", 3969.59, LineKind.STELLAR),
    Line("cai", "Ca I", 4227.92, LineKind.STELLAR),
    Line("g_band", "G band", 4305.61, LineKind.STELLAR),
    Line("fei_4385", "Fe I", 4384.78, LineKind.STELLAR),
    Line("mgb", "Mg I b", 5176.70, LineKind.STELLAR),
    Line("fe_5270", "Fe 5270", 5271.47, LineKind.STELLAR),
    Line("fe_5335", "Fe 5335", 5336.48, LineKind.STELLAR),
    Line("nad", "Na I D", 5894.57, LineKind.STELLAR),
    Line("caii_8500", "Ca II", 8500.36, LineKind.STELLAR),
    Line("caii_8544", "Ca II", 8544.44, LineKind.STELLAR),
    Line("caii_8665", "Ca II", 8664.52, LineKind.STELLAR),
    # Multiplets of iron that blend into bands.
    Line("feii_uv_2480", "Fe II UV", 2480.0, LineKind.IRON_BAND),
    Line("feii_uv_2750", "Fe II UV", 2750.0, LineKind.IRON_BAND),
    Line("feii_uv_2950", "Fe II UV", 2950.0, LineKind.IRON_BAND),
    Line("feii_4570", "Fe II", 4570.0, LineKind.IRON_BAND),
    Line("feii_5270", "Fe II", 5270.0, LineKind.IRON_BAND),
    # Heads of bands that are degraded to the red.
    Line("tio_4762", "TiO", 4762.3, LineKind.MOLECULAR_BAND),
    Line("tio_4956", "TiO", 4955.9, LineKind.MOLECULAR_BAND),
    Line("tio_5168", "TiO", 5168.2, LineKind.MOLECULAR_BAND),
    Line("tio_5450", "TiO", 5449.7, LineKind.MOLECULAR_BAND),
    Line("tio_5864", "TiO", 5863.6, LineKind.MOLECULAR_BAND),
    Line("tio_6161", "TiO", 6160.7, LineKind.MOLECULAR_BAND),
    Line("tio_6653", "TiO", 6652.8, LineKind.MOLECULAR_BAND),
    Line("tio_7056", "TiO", 7056.2, LineKind.MOLECULAR_BAND),
    Line("tio_7591", "TiO", 7591.0, LineKind.MOLECULAR_BAND),
    Line("tio_8208", "TiO", 8208.3, LineKind.MOLECULAR_BAND),
    Line("tio_8434", "TiO", 8434.3, LineKind.MOLECULAR_BAND),
    # Heads of other bands; but for VO they are degraded to the blue.
    Line("mgh_5212", "MgH", 5212.0, LineKind.MOLECULAR_BAND),
    Line("cah_6384", "CaH", 6384.0, LineKind.MOLECULAR_BAND),
    Line("cah_6910", "CaH", 6910.0, LineKind.MOLECULAR_BAND),
    Line("vo_7336", "VO", 7336.0, LineKind.MOLECULAR_BAND),
    Line("vo_7867", "VO", 7867.0, LineKind.MOLECULAR_BAND),
    Line("c2_4383", "C2", 4383.0, LineKind.MOLECULAR_BAND),
    Line("c2_4738", "C2", 4738.0, LineKind.MOLECULAR_BAND),
    Line("c2_5167", "C2", 5166.6, LineKind.MOLECULAR_BAND),
    Line("c2_5637", "C2", 5637.0, LineKind.MOLECULAR_BAND),
    Line("cn_3884", "CN", 3884.5, LineKind.MOLECULAR_BAND),
    Line("cn_4217", "CN", 4217.2, LineKind.MOLECULAR_BAND),
)
LINES = {line.key: line for line in _ALL}


def waves(*keys: str) -> tuple[float, ...]:
    """Return the rest wavelengths (Å) of some lines.

    Raises
    ------
    KeyError
        A line that the list does not have.
    """
    return tuple(LINES[key].wave for key in keys)


def waves_of(*kinds: LineKind) -> tuple[float, ...]:
    """Return the rest wavelengths (Å) of all lines of some kinds, in the list's order."""
    return tuple(line.wave for line in _ALL if line.kind in kinds)


# Lines that stand out in the spectrum of nearly every quasar: one is easily taken for another.
STRONG = ("lya", "civ", "ciii", "mgii", "hbeta")
# Lines that are marked in drawings of a spectrum.
MARKED = {
    "emission": (
        *("lybeta", "ovi", "lya", "nv", "siiv", "civ", "heii_1640", "ciii", "mgii", "nev", "oii"),
        *("neiii", "hgamma", "hbeta", "oiii_4960", "oiii", "hei_5877", "halpha", "s_ii"),
    ),
    "absorption": (
        *("si_ii_1260", "cii_1334", "alii_1671", "aliii_1855", "aliii_1863", "feii_2383"),
        *("feii_2600", "mgii_2796", "mgii_2804", "caii_k", "caii_h", "mgb", "nad"),
    ),
}
BALMER = ("halpha", "hbeta", "hgamma", "hdelta", "hepsilon", "h8", "h9", "h10", "h11", "h12")


class Transition(NamedTuple):
    """Atomic data of a resonance line: oscillator strength and damping constant (1/s)."""

    wave: float
    strength: float
    damping: float


# Morton 2003.
LYMAN_SERIES = {
    "lya": Transition(LINES["lya"].wave, 0.4164, 6.265e8),
    "lybeta": Transition(LINES["lybeta"].wave, 0.0791, 1.897e8),
    "lygamma": Transition(LINES["lygamma"].wave, 0.0290, 8.127e7),
    "lydelta": Transition(LINES["lydelta"].wave, 0.0139, 4.204e7),
    "lyepsilon": Transition(LINES["lyepsilon"].wave, 0.0078, 2.450e7),
}
