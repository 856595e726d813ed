"""All scores of a run in one table, without the latents."""

import pytest

from catalog_schema.kinds import SPECTRA
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.scores import read_compared, read_scores


def test_scores_of_all_shards_are_read_once_each(finished: Root, config: Config) -> None:
    run = start_run(finished, config)
    scores = read_scores(run)
    counts = run.count_rows("scores")
    assert len(counts) > 1
    assert scores.num_rows == sum(counts.values())
    assert len(set(scores["TARGETID"].to_pylist())) == scores.num_rows
    assert scores.column_names == [name for name in SPECTRA["scores"].names if name != "latent"]
    assert all(column.num_chunks == 1 for column in scores.columns)


def test_what_is_compared_is_read_without_the_rest(finished: Root, config: Config) -> None:
    run = start_run(finished, config)
    compared = read_compared(run, "seed_statistics", "no_such_column")
    key = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
    conditions = list(SPECTRA.waist.condition_names)
    expected = [*key, "parent", *conditions, "statistics", "seed_statistics"]
    assert compared.column_names == expected
    assert compared.equals(read_scores(run).select(expected))


def test_a_run_without_scores_is_one_line(store: Root, config: Config) -> None:
    with pytest.raises(UserError, match="nothing was scored; `qad status`"):
        read_scores(start_run(store, config))
