"""What is known of spectra of quasars: their phenomena, and what beside the features tells them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.changes import CHANGED_LINES
from catalog_schema.column import arrow_schema
from catalog_schema.columns.quality import NOISES
from catalog_schema.grids import Grid
from catalog_schema.lines import LINES
from catalog_schema.spectra import TRAITS, WRONG_Z
from catalog_schema.tables import CHANGES, COADDS, RESTFRAME
from catalog_schema.vocabulary import AnomalyClass, ClassState
from catalog_schema.waist import ROW_KEY
from pipeline.judge.knowledge import Examples, Knowledge, Planted, Sign, Signs, Surroundings
from pipeline.judge.statements import state_amplitude
from pipeline.lake.align import align
from pipeline.lake.rows import split_by_shard
from pipeline.science.measured import Finds, Measured
from pipeline.spectra.examples import plant_examples
from pipeline.spectra.measuring import measure_table, score_rows
from pipeline.spectra.model.models import load_model
from pipeline.spectra.model.scorer import locate_in_windows
from pipeline.spectra.model.tracking import record_recall
from pipeline.spectra.planting import plant
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.injection import SHAPES

# A spectrum of which less than this can be measured has hardly a pixel.
_MIN_MEASURED = 12
# Windows that are held in memory while their statistics are located.
_LOCATED_ROWS = 4096
_PLACES = ("NIGHT", "PETAL_LOC", "FIBER")
_NOISES = tuple(column.name for column in NOISES)


class SpectraKnowledge(Knowledge):
    """See `pipeline.judge.knowledge.Knowledge`."""

    def find_states(self, scores: pa.Table, measured: Measured) -> NDArray[np.str_]:
        """Return for each spectrum whether it can be classified, shape (n,)."""
        snr = np.nan_to_num(scores["snr"].to_numpy())
        return np.select(
            [
                np.isfinite(measured.value).sum(axis=1) < _MIN_MEASURED,
                ~(snr >= self.config.classify.min_snr),
            ],
            [ClassState.TOO_FEW_PIXELS.value, ClassState.NO_SIGNAL.value],
            default=ClassState.CLASSIFIED.value,
        )

    def plant_examples(self, hosts: pa.Table) -> Examples:
        """Plant every phenomenon in every host that can show it; score and measure the result."""
        return plant_examples(self.run, hosts)

    def plant_features(self, hosts: pa.Table) -> Iterator[Planted]:
        """Plant each feature at each strength in the windows of the hosts."""
        config, folder = self.config, self.run.model
        model = load_model(folder)
        # The windows of the hosts only: those of a whole survey do not fit into memory.
        windows = self.run.read_rows(RESTFRAME.name, hosts)
        # Kind by kind: the copies of the windows are many times the sample.
        for shape in SHAPES:
            planted = plant(windows, model.grid, shape, config.inject.strengths, config.run.seed)
            scores, kept = score_rows(folder, config, planted)
            planted = planted.take(pa.array(kept))
            # Rival redshifts are not tried: what is planted leaves the other lines in place.
            measured = measure_table(folder, config, planted, np.full(len(kept), np.nan))
            yield Planted(shape, planted["planted"].to_numpy(), scores, measured)

    def record_recall(self, injections: pa.Table) -> None:
        """Add the share of planted features found to the record of the model's training."""
        record_recall(self.run.store, self.config, self.run.model.name, injections)

    def find_signs(self, measured: pa.Table, state: NDArray[np.str_]) -> Signs:
        """Return the spectra whose anomaly vanishes at another redshift, and that redshift.

        Where it does not, the redshift is hardly wrong: every other one was tried of what is
        strange, and what is not strange fits where it is.
        """
        if WRONG_Z not in self.waist.examples:
            return Signs((), {"better_z": np.full(measured.num_rows, np.nan)})
        z, p_value = (
            measured[name].to_numpy(zero_copy_only=False).astype(np.float64)
            for name in ("rival_z", "rival_p_value")
        )
        is_classified = state == ClassState.CLASSIFIED.value
        better_z = np.where(
            (p_value > self.config.classify.vanish_p_value) & is_classified, z, np.nan
        )
        vanishes = ~np.isnan(better_z)
        sign = Sign(WRONG_Z, np.flatnonzero(vanishes))
        missing = Sign(WRONG_Z, np.flatnonzero(is_classified & ~vanishes))
        return Signs((sign,), {"better_z": better_z}, (missing,))

    def read_signs(self, members: pa.Table, is_open: NDArray[np.bool_]) -> tuple[Sign, ...]:
        """Return the quasars in which a broad line has changed since an earlier spectrum.

        At another redshift other lines would have been compared.
        """
        if AnomalyClass.CHANGING_LOOK.value not in self.waist.examples:
            return ()
        changes = self._read_changes(members)
        changes = changes.filter(pa.array(is_open[changes["row"].to_numpy()]))
        lines = changes["changed_line"].to_pylist()
        ratio, error, change = (
            changes[name].to_numpy(zero_copy_only=False).astype(np.float64)
            for name in ("line_ratio", "line_ratio_error", "line_change")
        )
        evidence: dict[str, Any] = {
            "feature": [f"{line}_change" for line in lines],
            "statement": [
                state_amplitude(f"{CHANGED_LINES[line]} since MJD {mjd:.0f}", "{} times", *told)
                for line, mjd, *told in zip(
                    lines, changes["earlier_mjd"].to_pylist(), ratio, error, change, strict=True
                )
            ],
            "feature_value": changes["line_ratio"],
            "feature_error": changes["line_ratio_error"],
            "feature_unit": [""] * len(lines),
            "feature_snr": changes["line_change"],
            "feature_wave": [LINES[line].wave for line in lines],
            "compared_mjd": changes["earlier_mjd"],
            "departure": changes["line_change"],
        }
        rows = changes["row"].to_numpy()
        return (Sign(AnomalyClass.CHANGING_LOOK.value, rows, evidence),)

    def locate_statistics(self, candidates: pa.Table) -> Finds:
        """Return amplitude, error and place of what each statistic of spectra found."""
        config, parts = self.config, [super().locate_statistics(candidates.slice(0, 0))]
        for first in range(0, candidates.num_rows, _LOCATED_ROWS):
            keys = candidates.slice(first, _LOCATED_ROWS)
            rows = self.run.read_rows(RESTFRAME.name, keys)
            windows = align(rows, keys, what=RESTFRAME.name)
            parts.append(locate_in_windows(self.run.model, config.score, config.run.seed, windows))
        return Finds(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def read_surroundings(self, members: pa.Table) -> Surroundings:
        """Return night, petal and fibre that gave most of the exposure time, and the field."""
        run = self.run
        shards = run.list_shards("measurements")
        parts = run.read_shards(COADDS.name, shards, [*ROW_KEY, *_PLACES]).values()
        coadds = align(pa.concat_tables(parts), members, what=COADDS.name)
        night, petal, fibre = (
            pc.fill_null(coadds[name], -1).to_numpy().astype(np.int64) for name in _PLACES
        )
        groups = {
            "night": night,
            "petal": np.where(night < 0, -1, 100 * night + petal),
            "fibre": fibre,
            "field": members["HEALPIX"].to_numpy().astype(np.int64),
        }
        return Surroundings(dict(zip(_PLACES, (night, petal, fibre), strict=True)), groups)

    def read_traits(self, candidates: pa.Table) -> NDArray[np.float64]:
        """Return noise by arm, its colour and the sampling, as logarithms."""
        if not candidates.num_rows:
            return super().read_traits(candidates)
        shards = list(split_by_shard(candidates))
        parts = self.run.read_shards(COADDS.name, shards, [*ROW_KEY, *_NOISES]).values()
        pixels = [np.full(part.num_rows, _find_pixel(get_sampling(part).grid)) for part in parts]
        rows = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
        rows = rows.append_column("pixel", pa.array(np.concatenate(pixels)))
        rows = align(rows, candidates, what=COADDS.name)
        values = {
            name: rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
            for name in (*_NOISES, "pixel")
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            colours = {f"ivar_{arm}_r": values[f"ivar_{arm}"] / values["ivar_r"] for arm in "bz"}
            traits = np.log(np.column_stack([(values | colours)[name] for name in TRAITS]))
        return np.where(np.isfinite(traits), traits, np.nan)

    def _read_changes(self, members: pa.Table) -> pa.Table:
        """Return the most significant change of each quasar in which a broad line has changed.

        Rows of `changes`, in order of `row`, the place among the quasars.
        """
        run = self.run
        parts = run.read_shards(CHANGES.name, run.list_shards(CHANGES.name)).values()
        known = pa.concat_tables([arrow_schema(CHANGES).empty_table(), *parts])
        changed = known.filter(pc.field("has_changed"))
        places = members.append_column("row", pa.array(np.arange(members.num_rows)))
        changed = changed.append_column("strength", pc.abs(changed["line_change"]))
        changed = changed.join(places, ROW_KEY, join_type="inner").sort_by(
            [("row", "ascending"), ("strength", "descending"), ("earlier_file", "ascending")]
        )
        return changed.take(pa.array(np.unique(changed["row"].to_numpy(), return_index=True)[1]))


def _find_pixel(grid: Grid) -> float:
    """Return the width of the middle pixel over its wavelength."""
    left, right = grid.to_wave(np.array([grid.size / 2 - 0.5, grid.size / 2 + 0.5]))
    return float(2 * (right - left) / (right + left))
