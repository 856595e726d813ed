"""Settings of fetching from a remote source."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.settings.section import Section

# Requests per second; fewer are none.
_LEAST_RATE = 0.01


class AcquireSettings(Section):
    """Fetching from a remote source; none of it changes what is fetched.

    `mode` is whole HDUs, rows, or the cheaper one for each file; `gap` (bytes) overrides the
    planner's choice of how far apart two merged ranges may lie. Limits hold for each worker;
    `max_requests_per_second` is shared among them, and 0 is no limit. `max_raw_bytes` of a file's
    spectra are in memory at a time, or one HDU where that is larger; none are on disk.
    """

    mode: Literal["auto", "hdus", "rows"] = "auto"
    gap: int | None = Field(None, ge=0, le=2**40)
    concurrency: int = Field(16, ge=1, le=256)
    max_attempts: int = Field(6, ge=1, le=1000)
    backoff_s: float = Field(0.5, ge=0, le=3600)
    timeout_s: float = Field(30.0, ge=0.01, le=86_400)
    max_requests_per_second: float = Field(0.0, ge=0, le=1e6)
    max_raw_bytes: int = Field(2**27, ge=1, le=2**40)

    @model_validator(mode="after")
    def _rate_lets_something_through(self) -> "AcquireSettings":
        if 0 < self.max_requests_per_second < _LEAST_RATE:
            raise ValueError(f"max_requests_per_second must be 0 or at least {_LEAST_RATE}")
        return self
