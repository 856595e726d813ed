"""Settings of judging: calibration, tiers, planted features, classes, the queue of reviews."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from catalog_schema.vocabulary import Tier
from pipeline.settings.section import ALL_ROWS, MAX_SEED, Section


class CalibrateSettings(Section):
    """The conditional null."""

    neighbours: int = Field(200, ge=20, le=10**6)
    tail_fraction: float = Field(0.15, gt=0, lt=0.5)
    contamination: float = Field(0.05, ge=0, lt=0.5)

    @model_validator(mode="after")
    def _tail_holds_contamination(self) -> "CalibrateSettings":
        if not self.contamination < self.tail_fraction:
            raise ValueError("contamination must be smaller than tail_fraction")
        return self


class GradeSettings(Section):
    """The false-discovery levels of the tiers."""

    gold: float = Field(0.01, gt=0, lt=1)
    silver: float = Field(0.05, gt=0, lt=1)
    bronze: float = Field(0.10, gt=0, lt=1)

    @property
    def levels(self) -> dict[Tier, float]:
        """False-discovery level of every tier but the last."""
        return {Tier.GOLD: self.gold, Tier.SILVER: self.silver, Tier.BRONZE: self.bronze}

    @model_validator(mode="after")
    def _levels_rise(self) -> "GradeSettings":
        if not self.gold < self.silver < self.bronze:
            raise ValueError("false-discovery levels must rise: gold < silver < bronze")
        return self


class InjectSettings(Section):
    """Planted features: how many hosts, and the features' signal-to-noise ratios."""

    hosts: int = Field(400, ge=1, le=ALL_ROWS)
    strengths: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(
        (5.0, 10.0, 20.0, 40.0), min_length=1, strict=False, max_length=100
    )


class ClassifySettings(Section):
    """What tells one class from another.

    A quasar is ordinary where the score alone has a false-discovery level above `ordinary_level`.
    Phenomena are planted in `hosts` ordinary quasars; at most `normals` others stand for what is
    normal. `anomalous_share` is the prior probability that a spectrum is no ordinary quasar, shared
    evenly by the kinds of examples. A spectrum of a median SNR per pixel below `min_snr` has no
    signal. What has a p-value below `rival_p_value` is tried at up to `rivals` other redshifts; the
    anomaly has vanished where the p-value exceeds `vanish_p_value`. The map has `map_anchors`
    spectra laid out by themselves; clusters of at least `cluster_size` are sought among p-values
    below `cluster_p_value`, the `cluster_candidates` smallest of them, and again in `bootstraps`
    samples: the time grows with the square of their number. `evidence` features are kept.
    """

    ordinary_level: float = Field(0.10, gt=0, lt=1)
    hosts: int = Field(600, ge=1, le=ALL_ROWS)
    normals: int = Field(20_000, ge=1, le=ALL_ROWS)
    anomalous_share: float = Field(0.1, gt=0, lt=1)
    min_snr: float = Field(0.3, ge=0, le=1e3)
    rivals: int = Field(5, ge=1, le=1000)
    rival_p_value: float = Field(0.02, ge=0, le=1)
    vanish_p_value: float = Field(0.04, gt=0, le=1)
    map_anchors: int = Field(5000, ge=1, le=10**6)
    cluster_p_value: float = Field(0.1, gt=0, le=1)
    cluster_candidates: int = Field(20_000, ge=2, le=ALL_ROWS)
    cluster_size: int = Field(6, ge=2, le=10**6)
    bootstraps: int = Field(20, ge=1, le=10**4)
    evidence: int = Field(10, ge=1, le=1000)

    @model_validator(mode="after")
    def _vanishing_is_a_gain(self) -> "ClassifySettings":
        if not self.rival_p_value < self.vanish_p_value:
            raise ValueError("rival_p_value must be smaller than vanish_p_value")
        return self


class RankSettings(Section):
    """The queue of objects to be reviewed.

    `method` learns from the reviews: a Gaussian process (kernel), Astronomaly's neighbour score
    (neighbours) or weighted Isolation Forests (aad). The `candidates` of highest score are ranked.
    `audit_fraction` of every tier is drawn at random and gets that share of the reviews.
    """

    method: Literal["kernel", "neighbours", "aad"] = "kernel"
    length: int = Field(500, ge=1, le=ALL_ROWS)
    candidates: int = Field(20_000, ge=1, le=ALL_ROWS)
    audit_fraction: float = Field(0.08, ge=0.01, le=0.5)
    seed: int = Field(1, ge=0, le=MAX_SEED)
