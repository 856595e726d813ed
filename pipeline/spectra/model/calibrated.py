"""The model on arrays, for notebooks: fit, score, reconstruct."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import NULL
from catalog_schema.vocabulary import Parent, Split
from catalog_schema.waist import ROW_KEY
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.judge.null import make_null, weigh
from pipeline.judge.science.grades import grade_p_values
from pipeline.lake.layout import Shard
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store, digest, digest_rows, to_matrix
from pipeline.numerics import find_instruction_set, limit_threads
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model import models
from pipeline.spectra.model.models import load_model
from pipeline.spectra.model.reconstruction import to_observed_frame
from pipeline.spectra.model.scorer import score_windows
from pipeline.spectra.model.training import fit_model, publish_model
from pipeline.spectra.model.training_windows import Windows
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.surveys import find_sampling
from pipeline.spectra.windows import make_windows

_ARRAYS = Shard("external", "array", 0)


class CalibratedModel:
    """A model of normal quasars that says how strange others are, and in what.

    Parameters
    ----------
    folder : str or Path
        Where the model lies, or is to lie after `fit`.
    config : Config, optional
        Defaults to that of a real survey (``configs/survey.toml``).
    **train
        Settings of ``[train]``, e.g. ``latent=16, epochs=30, device="cuda"``.

    Examples
    --------
    >>> model = CalibratedModel("my-model", latent=16).fit(flux, ivar, z)   # doctest: +SKIP
    >>> table = CalibratedModel("my-model").score(flux, ivar, z)            # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, config: Config | None = None, **train: Any) -> None:
        self.folder = Path(folder)
        config = config or load_config(None, source="arrays")
        values = config.model_dump()
        values["train"] |= train
        self.config = Config.model_validate(values)

    @limit_threads()
    def fit(
        self, flux: NDArray, ivar: NDArray, z: NDArray, targetid: NDArray | None = None
    ) -> "CalibratedModel":
        """Train the model, calibrate it against its own sample and write it to the folder.

        Parameters
        ----------
        flux, ivar, z, targetid
            As in `score`; spectra of one object share its TARGETID. A tenth of the objects, or
            what ``target.validation_fraction`` says, decides when to stop.

        Raises
        ------
        UserError
            If the shapes are wrong, the folder holds a model, or the spectra are too few.
        """
        if (self.folder / models.CARD).exists():
            raise UserError(f"{self.folder} holds a model already; choose another folder")
        targetid = np.arange(len(np.atleast_1d(z))) if targetid is None else np.asarray(targetid)
        table = self._make_windows(flux, ivar, z, make_run_grid(self.config))
        objects = targetid.astype(np.int64)[table["TARGETID"].to_numpy()]
        is_spared = (
            hash_to_unit(objects, Stream.VALIDATION) < self.config.target.validation_fraction
        )
        windows = Windows(
            torch.from_numpy(to_matrix(table["rest_flux"])),
            torch.from_numpy(to_matrix(table["rest_weight"])),
            torch.from_numpy(table["window_start"].to_numpy().astype(np.int64)),
            np.where(is_spared, Split.VALIDATION.value, Split.TRAIN.value),
            objects,
        )
        settings = self.config.train
        inputs = (digest_rows(table), objects.tolist(), find_instruction_set(settings.device))
        model_id = digest(settings, self.config.run.seed, *inputs)[:12]
        with tempfile.TemporaryDirectory() as scratch:
            places = [Path(scratch, str(k)) for k in range(settings.seeds * settings.folds)]
            model, records = fit_model(windows, self.config, model_id, places)
        publish_model(self.folder, model, records, self.config)
        scores = self._score(table, objects)
        made = {"n_expected": scores.num_rows, "n_made": scores.num_rows}
        null = make_null(scores, SPECTRA, self.config.calibrate)
        store = Store(self.folder)
        store.write(self.folder / models.NULL, null, NULL, fingerprint=model_id, **made)
        return self

    @limit_threads()
    def score(
        self, flux: NDArray, ivar: NDArray, z: NDArray, targetid: NDArray | None = None
    ) -> pa.Table:
        """Score spectra on the grid of those that the model was trained on.

        Parameters
        ----------
        flux, ivar : ndarray, shape (n, 7781)
            Observed frame, 1e-17 erg/s/cm²/Å, already corrected for Galactic extinction;
            ivar = 0 or a value that is not finite marks a bad pixel.
        z : ndarray, shape (n,)
        targetid : ndarray of int, shape (n,), optional
            DESI's TARGETID: a spectrum of the training sample is then scored by the member that
            has not seen it. Without it all are taken for unseen and scored by one member.

        Returns
        -------
        pyarrow.Table
            Columns of `scores`, `significance` and `tiers`, the latter by ``p_value``; ``row`` is
            the input's row. Spectra with too few pixels that the model knows, or a redshift
            outside its grid, are left out.

        Raises
        ------
        UserError
            If the shapes are wrong or the folder holds no model.
        """
        windows = self._make_windows(flux, ivar, z, load_model(self.folder).grid)
        n = len(np.atleast_1d(z))
        objects = np.zeros(n, np.int64) if targetid is None else np.asarray(targetid, np.int64)
        scores = self._score(windows, objects[windows["TARGETID"].to_numpy()])
        null = Store(self.folder).read(self.folder / models.NULL)
        weighed = weigh(scores, null, SPECTRA, self.config.calibrate)
        scored = scores.drop_columns([*ROW_KEY, "split", "parent", "control"])
        result = scored.add_column(0, "row", scores["TARGETID"])
        for name in weighed.column_names[len(ROW_KEY) :]:
            result = result.append_column(name, weighed[name])
        q_values, tiers = grade_p_values(weighed["p_value"].to_numpy(), self.config.grade.levels)
        return result.append_column("q_value", [q_values]).append_column("tier", [tiers])

    @limit_threads()
    def reconstruct(self, flux: NDArray, ivar: NDArray, z: NDArray) -> NDArray[np.float32]:
        """Return the model's flux density, shape (n, 7781), of spectra given as to `score`.

        NaN where the model has learnt nothing, and for spectra that it cannot take.
        """
        model = load_model(self.folder)
        windows = self._make_windows(flux, ivar, z, model.grid)
        shape = (len(np.atleast_1d(z)), model.sampling.grid.size)
        rebuilt = np.full(shape, np.nan, np.float32)
        if windows.num_rows:
            folds = np.zeros(windows.num_rows, np.intp)
            found = to_observed_frame(model, self.config.score, windows, folds)
            rebuilt[windows["TARGETID"].to_numpy()] = found
        return rebuilt

    def _score(self, windows: pa.Table, objects: NDArray[np.int64]) -> pa.Table:
        seed = int(read_card(self.folder)["seed"])
        return score_windows(self.folder, self.config.score, seed, windows, objects).tables[0]

    def _make_windows(self, flux: NDArray, ivar: NDArray, z: NDArray, grid: Any) -> pa.Table:
        """Return rows of `restframe`, whose TARGETID is the input's row."""
        flux, ivar, z = np.atleast_2d(flux), np.atleast_2d(ivar), np.atleast_1d(z)
        sampling = self._find_sampling()
        size = sampling.grid.size
        if flux.shape != ivar.shape or flux.shape != (len(z), size):
            raise UserError(
                f"flux {flux.shape}, ivar {ivar.shape} and z {z.shape} must be (n, {size}), "
                f"the same, and (n,); the grid is {sampling.grid}"
            )
        settings, n = self.config.preprocess, len(z)
        if (self.folder / models.CARD).exists():
            trained = read_card(self.folder)["settings"]["preprocess"]
            settings = type(settings)(**trained)
        targets = pa.table(
            {
                "Z": z.astype(float),
                "EBV": np.zeros(n, np.float32),
                "split": [Split.TEST.value] * n,
                "parent": [Parent.EXTERNAL.value] * n,
                "control": pa.nulls(n, pa.string()),
            }
        )
        return make_windows(
            spectra_to_table(_ARRAYS, _clean(flux, ivar), sampling), targets, settings, grid
        ).tables[0]

    def _find_sampling(self) -> Sampling:
        """Return the sampling of the model's spectra, or before there is one that of the survey."""
        if (self.folder / models.CARD).exists():
            return load_model(self.folder).sampling
        return find_sampling(self.config)


def _clean(flux: NDArray, ivar: NDArray) -> Spectra:
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    return Spectra(
        np.arange(len(flux)),
        np.where(is_good, flux, 0).astype(np.float32),
        np.where(is_good, ivar, 0).astype(np.float32),
        np.zeros(flux.shape, np.int32),
    )
