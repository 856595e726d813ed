"""The grid of a run's rest-frame windows."""

from pipeline.config import Config
from pipeline.spectra.science.restframe import RestFrameGrid, make_grid
from pipeline.spectra.surveys import find_sampling


def make_run_grid(config: Config) -> RestFrameGrid:
    """Return the global grid of a run: it depends on the settings only, not on the data."""
    target, settings = config.target, config.preprocess
    observed = find_sampling(config).grid
    limits = (target.z_min, target.z_max) if target.parent.in_rest_frame else (0.0, 0.0)
    return make_grid(observed, *limits, settings.log10_step, config.train.patch)
