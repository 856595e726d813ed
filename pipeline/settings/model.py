"""Settings of the model of spectra: its training, what is recorded of it, its statistics."""

from pydantic import Field, model_validator

from pipeline.settings.section import ALL_ROWS, Section


class TrainSettings(Section):
    """The members' networks and their optimisation.

    One member for each of `folds`; with several `seeds` as many sets of members, of which the
    first makes the scores and all together the range of an object's rank. A rest-frame pixel that
    fewer training spectra than `min_support` cover counts as not learnt, and is not scored.

    Windows that would take more than `memory_limit` GiB, with the copies that training makes of
    them, are kept as float16 in a scratch file below the data root, 17.5 kB each.
    """

    folds: int = Field(4, ge=2, le=100)
    seeds: int = Field(2, ge=1, le=100)
    latent: int = Field(32, ge=1, le=1024)
    basis: int = Field(48, ge=1, le=1024)
    hidden: int = Field(128, ge=1, le=2**16)
    patch: int = Field(16, ge=16, le=1024, multiple_of=16)
    channels: int = Field(32, ge=1, le=1024)
    epochs: int = Field(120, ge=1, le=10**6)
    batch_size: int = Field(64, ge=1, le=10**6)
    learning_rate: float = Field(2e-3, ge=1e-8, le=1)
    beta: float = Field(1.0, ge=0, le=1e3)
    warmup_epochs: int = Field(20, ge=1, le=10**6)
    patience: int = Field(15, ge=1, le=10**6)
    model_error: float = Field(0.05, ge=0, lt=1)
    min_support: int = Field(20, ge=1, le=ALL_ROWS)
    device: str = "cpu"
    threads: int = Field(2, ge=1, le=1024)
    memory_limit: float = Field(16.0, gt=0, le=1e6)

    @model_validator(mode="after")
    def _latent_fits_basis(self) -> "TrainSettings":
        if self.latent > self.basis:
            raise ValueError("latent must not exceed basis")
        return self


class TrackingSettings(Section):
    """What is recorded of a training beside the model, below the data root.

    `mlflow` keeps settings, losses and recall. `country` (ISO 3166, three letters) has energy and
    carbon measured as well.
    """

    mlflow: bool = False
    country: str = Field("", pattern="^([A-Z]{3})?$")

    @model_validator(mode="after")
    def _energy_is_recorded(self) -> "TrackingSettings":
        if self.country and not self.mlflow:
            raise ValueError("country needs mlflow = true, which records the energy")
        return self


class ScoreSettings(Section):
    """Statistics of the residual and of the latent."""

    trees: int = Field(200, ge=1, le=10**5)
    min_valid_fraction: float = Field(0.1, gt=0, le=1)
    batch_size: int = Field(256, ge=1, le=10**6)
