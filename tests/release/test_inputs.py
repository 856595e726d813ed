"""What a release is made from: all that decides it is digested, and nothing of the machine."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_lake import COMPARED, DARK, EAST, FAILED, MODEL_ID, REPEAT, Plan, write_lake
from toy_points import POINTS
from toy_run import register

from catalog_schema.kinds import SPECTRA
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.kinds import PATHS
from pipeline.flow.root import Root
from pipeline.lake.layout import MODEL_CARD
from pipeline.ledger.outcome import Outcome
from release.inputs import NEEDS, Inputs, _describe_source, _strip, read_inputs


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A lake that is read only."""
    return write_lake(tmp_path_factory.mktemp("inputs") / "root")


@pytest.fixture(scope="module")
def inputs(lake: Root) -> Inputs:
    """What a release of it is made from."""
    return read_inputs(lake, Config())


def test_everything_that_the_path_has_is_digested(inputs: Inputs) -> None:
    assert inputs.kind is SPECTRA
    assert set(inputs.data) == {n for n in NEEDS if n in PATHS["spectra"].datasets} | {"reviews"}
    assert len(set(inputs.data.values())) == len(inputs.data)
    assert set(inputs.shards) == {DARK, EAST, REPEAT}
    assert set(inputs.compared) == set(COMPARED)
    assert inputs.model_id == MODEL_ID
    assert MODEL_CARD in inputs.model
    assert {"reference.safetensors", "weights-0.safetensors"} <= set(inputs.model)
    assert inputs.reviews == ()


def test_the_same_lake_elsewhere_has_the_same_fingerprint(
    lake: Root, inputs: Inputs, tmp_path: Path
) -> None:
    copy = Root(Path(shutil.copytree(lake.root, tmp_path / "elsewhere")))
    again = read_inputs(copy, Config())
    assert again == inputs
    assert again.fingerprint(1) == inputs.fingerprint(1)
    assert again.fingerprint(2) != inputs.fingerprint(1)


CHANGES: dict[str, Callable[[Inputs], Inputs]] = {
    "data": lambda i: replace(i, data=i.data | {"scores": "other"}),
    "model": lambda i: replace(i, model=i.model | {MODEL_CARD: "other"}),
    "model_id": lambda i: replace(i, model_id="other"),
    "source": lambda i: replace(i, source=i.source | {"name": "other"}),
    "config": lambda i: replace(i, config=i.config | {"grade": {}}),
    "books": lambda i: replace(i, account=replace(i.account, outcomes=i.account.outcomes[:-1])),
    "a gate": lambda i: replace(
        i,
        account=replace(
            i.account,
            outcomes=(
                replace(i.account.outcomes[0], dropped={"other": 5}),
                *i.account.outcomes[1:],
            ),
        ),
    ),
    "an error": lambda i: replace(
        i,
        account=replace(
            i.account,
            outcomes=(replace(i.account.outcomes[0], error="other"), *i.account.outcomes[1:]),
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_different_makes_another_release(inputs: Inputs, name: str) -> None:
    assert CHANGES[name](inputs).fingerprint(1) != inputs.fingerprint(1)


def test_how_long_and_by_whom_makes_no_other_release(inputs: Inputs) -> None:
    outcomes = tuple(
        replace(o, seconds=99.0, worker="host:1", attempts=7, notes=("slow",), n_bytes=5)
        for o in inputs.account.outcomes
    )
    other = replace(inputs, account=replace(inputs.account, outcomes=outcomes))
    assert other.fingerprint(1) == inputs.fingerprint(1)


@pytest.mark.parametrize(
    "word",
    ["run.workers=7", "acquire.concurrency=3", "crossmatch.timeout_s=9", "crossmatch.threads=2"],
)
def test_how_a_run_goes_makes_no_other_release(lake: Root, inputs: Inputs, word: str) -> None:
    assert (
        read_inputs(lake, load_config(None, [word])).config
        == read_inputs(lake, load_config(None)).config
    )


def test_a_setting_that_decides_makes_another_release(lake: Root) -> None:
    plain = read_inputs(lake, load_config(None))
    for word in ("grade.gold=0.001", 'release.title="Another"', "mock.seed=99"):
        other = read_inputs(lake, load_config(None, [word]))
        assert other.fingerprint(1) != plain.fingerprint(1), word


def test_no_folder_of_the_machine_is_published(lake: Root, tmp_path: Path) -> None:
    source = tmp_path / "secret" / "iron"
    files = [f"{tmp_path}/secret/{name}" for name in ("index.fits", "spectra", "own.fits", "a.moc")]
    config = load_config(
        None,
        [
            f'earlier.index="{files[0]}"',
            f'earlier.spectra="{files[1]}"',
        ],
        source=str(source),
    )
    found = read_inputs(lake, config)
    text = json.dumps([found.config, found.source])
    assert "secret" not in text
    assert str(lake.root) not in text
    assert found.config["run"]["source"] == "desi:iron"
    assert found.config["earlier"]["index"] == "index.fits"
    assert found.config["earlier"]["spectra"] == "spectra"


@pytest.mark.parametrize(
    ("source", "described"),
    [
        ("mock", ("mock", "mock")),
        ("/data/iron/", ("desi", "iron")),
        ("s3://desidata/public/dr1", ("desi", "dr1")),
        ("https://data.desi.lbl.gov/public/dr1/", ("desi", "dr1")),
    ],
)
def test_a_source_is_described_by_kind_and_name(
    lake: Root, source: str, described: tuple[str, str]
) -> None:
    found = read_inputs(lake, load_config(None, source=source)).source
    assert (found["kind"], found["name"]) == described
    assert set(found) == {"kind", "name", "specprod", "sample"}


@pytest.mark.parametrize("name", ["scores", "tiers", "matches", "changes"])
def test_a_file_that_is_missing_is_one_line(tmp_path: Path, name: str) -> None:
    lake = write_lake(tmp_path / "root")
    first = sorted(lake.lake.dataset(name).rglob("*.parquet"))[0]
    first.unlink()
    with pytest.raises(UserError, match=r"is missing from .*; run `qad run` again") as caught:
        read_inputs(lake, Config())
    text = str(caught.value)
    assert str(first.relative_to(lake.root)) in text
    assert "\n" not in text


def test_where_nothing_was_run_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing was run here"):
        read_inputs(Root(tmp_path / "none"), Config())
    with pytest.raises(UserError, match=r"nothing was scored|unfinished|no shard"):
        read_inputs(write_lake(tmp_path / "root", Plan(outcomes=lambda _: [])), Config())


def compare_less(outcomes: list[Outcome]) -> list[Outcome]:
    """Let the comparison of one shard fail."""
    return [
        replace(o, state=ShardState.FAILED, n_made=0, error="x")
        if o.stage == "earlier" and o.shard == DARK
        else o
        for o in outcomes
    ]


def test_a_shard_that_was_not_compared_is_refused_or_left_out(tmp_path: Path) -> None:
    lake = write_lake(tmp_path / "root", Plan(outcomes=compare_less))
    with pytest.raises(UserError, match="1 shards were not compared with their earlier spectra"):
        read_inputs(lake, Config())
    accepted = load_config(None, ["release.accept_failed_shards=true"])
    assert read_inputs(lake, accepted).compared == (REPEAT,)


def test_errors_name_no_place(tmp_path: Path) -> None:
    lake = write_lake(tmp_path / "root", Plan(failed=(FAILED,)))
    accepted = load_config(None, ["release.accept_failed_shards=true"])
    errors = [o.error for o in read_inputs(lake, accepted).account.outcomes if o.error]
    assert errors == ["DataError: mock/coadd.fits: truncated"]


@given(st.lists(st.sampled_from(["/data/root/", "/data/root2/", "x", " ", "/", ": "]), max_size=9))
def test_only_whole_folders_are_taken_out_of_a_text(parts: list[str]) -> None:
    text = "".join(parts)
    found = _strip(text, ["/data/root"])
    assert found is not None
    # Of a longer path nothing is taken, or what is left would name another file.
    assert found.count("/data/root2/") == text.count("/data/root2/")
    assert " /data/root/" not in f" {found}"[:12]
    assert _strip("/data/root/a: b /data/root/c", ["/data/root"]) == "a: b c"
    assert _strip("/my/data/root/a", ["/data/root"]) == "/my/data/root/a"
    assert _strip(None, ["/data/root"]) is None


def test_another_kind_has_its_own_datasets_and_source(
    lake: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    config = load_config(None, ["run.kind=toy"], source="/home/somebody/points")
    found = _describe_source(lake, config)
    assert (found["kind"], found["name"]) == (POINTS.name, "points")
    assert "specprod" not in found
    named = load_config(None, ["run.kind=toy", "run.survey=loose"], source="/a/points/")
    assert _describe_source(lake, named)["kind"] == "loose"
