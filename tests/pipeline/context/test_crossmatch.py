"""The stage: every pair of object and catalogue in its state, a failed service asked again."""

from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from lake_runs import run_one
from virtual_observatory import TABLE, Observatory, serving

from catalog_schema.tables import CATALOGUES, MATCHES, TARGETS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import MatchState
from pipeline.config import Config
from pipeline.context.catalogues.declared import read_declared, resolve_catalogues
from pipeline.context.science.match import offset
from pipeline.context.scored_objects import ScoredObjects
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.flow.report import Report
from pipeline.lake.store import Store
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings


def run(store: Store, config: Config, **settings: object) -> Report:
    changed = config.model_copy(update={"crossmatch": CrossmatchSettings(**settings)})
    with store.ledger.closing():
        return run_one(store, changed, "crossmatch")


def read(store: Store, name: str) -> list[dict]:
    return store.read(store.lake.catalogue("matches", name)).to_pylist()


def describe(store: Store, name: str) -> dict:
    return store.read(store.lake.catalogue("catalogues", name)).to_pylist()[0]


@pytest.fixture
def sources(lake: Store, tmp_path: Path) -> Path:
    """A catalogue: one source at objects 0 to 9, two at 10 to 14, one 3 arcsec off 15 to 19."""
    with lake.ledger.closing():
        objects = ScoredObjects(start_run(lake, Config())).objects
    ra, dec = objects.ra, objects.dec
    near = offset(ra[:20], dec[:20], np.repeat([0.5, 1.5, 3.0], [10, 5, 5]) / 3600, 1.0)
    more = offset(ra[10:15], dec[10:15], 0.2 / 3600, 2.0)
    path = tmp_path / "sources.parquet"
    columns = {
        "name": [f"S{n}" for n in range(25)],
        "ra": np.concatenate([near[0], more[0]]),
        "dec": np.concatenate([near[1], more[1]]),
        "mag": np.arange(25.0),
        "sigma": np.full(25, 0.4),
    }
    pq.write_table(pa.table(columns), path)
    return path


def declare(path: Path, **changes: object) -> dict[str, CatalogueSettings]:
    values = {"files": [str(path)], "id": "name", "keep": ["mag"], "error": "sigma"} | changes
    return {"mine": CatalogueSettings(**values)}


def ask_observatory(observatory: Observatory, **others: float) -> CatalogueSettings:
    """Return the settings of a catalogue that a service has, without motions and errors."""
    plain = {"ra": "ra", "dec": "dec", "pm_ra": "", "pm_dec": "", "error": ""}
    place = {"service": "tap", "url": observatory.url, "table": TABLE, "id": "Source"}
    return CatalogueSettings(**place, **plain, keep=["mag"], **others)


def test_every_pair_has_its_state(lake: Store, config: Config, sources: Path) -> None:
    report = run(lake, config, catalogues=declare(sources), position_error=0.3)
    rows = read(lake, "mine")
    n = len({row["TARGETID"] for row in rows})
    states = [row["match_state"] for row in rows if row["match_rank"] == 1]
    assert states.count("matched") == 10
    assert states.count("ambiguous") == 5
    assert states.count("no_match") == n - 15
    assert report.n_made == n * (len(read_declared()) + 1)
    first = rows[0]
    assert first["match_id"] == "S0"
    assert np.isclose(first["separation"], 0.5, atol=1e-5)
    assert np.isclose(first["normalised_separation"], 1.0, atol=1e-5)
    assert first["attributes"] == '{"mag": 0.0}'
    double = [row for row in rows if row["match_state"] == "ambiguous"]
    assert [row["match_rank"] for row in double] == [1, 2] * 5
    assert all(row["n_candidates"] == 2 for row in double)
    assert {row["match_id"] for row in double[:2]} == {"S10", "S20"}
    assert double[0]["separation"] < double[1]["separation"]
    facts = describe(lake, "mine")
    assert (facts["n_matched"], facts["n_ambiguous"], facts["n_sources"]) == (10, 5, 25)
    assert facts["n_shifted"] == 4 * n
    for dataset, table in (("matches", MATCHES), ("catalogues", CATALOGUES)):
        for name in (*read_declared(), "mine"):
            data = lake.read(lake.lake.catalogue(dataset, name))
            assert find_violations(data, table) == []


def test_literature_is_counted_and_linked(lake: Store, config: Config, tmp_path: Path) -> None:
    with lake.ledger.closing():
        objects = ScoredObjects(start_run(lake, Config())).objects
    columns = {
        "ra": objects.ra[:2],
        "dec": objects.dec[:2],
        "main_id": ["3C 273", "B"],
        "otype": ["QSO", None],
        "nbref": pa.array([2900, None], pa.int32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "simbad.parquet")
    local = CatalogueSettings(
        files=[str(tmp_path / "simbad.parquet")],
        keep=["otype", "nbref"],
        pm_ra="",
        pm_dec="",
        error="",
    )
    run(lake, config, catalogues={"simbad": local})
    rows = read(lake, "simbad")
    told = [(row["match_id"], row["object_type"], row["n_references"]) for row in rows[:3]]
    assert told == [("3C 273", "QSO", 2900), ("B", None, None), (None, None, None)]
    link = describe(lake, "simbad")["match_link"]
    assert link.format(id=quote("3C 273")).endswith("sim-id?Ident=3C%20273")


def test_all_six_states_stand_side_by_side(lake: Store, config: Config, sources: Path) -> None:
    # Nobody listens at this address.
    silent = CatalogueSettings(url="http://127.0.0.1:9/tap")
    with lake.ledger.closing():
        limit = float(np.median(ScoredObjects(start_run(lake, Config())).objects.dec))
    run(
        lake,
        config,
        catalogues=declare(sources, dec_min=limit) | {"simbad": silent},
        ask=["simbad"],
        ask_for="all",
        max_attempts=1,
        seconds_between_requests=0.0,
    )
    names = (*read_declared(), "mine")
    assert {row["match_state"] for name in names for row in read(lake, name)} == {*MatchState}


def test_catalogues_that_nobody_asks_are_not_queried(finished: Store) -> None:
    for name in read_declared():
        assert {row["match_state"] for row in read(finished, name)} == {"not_queried"}


def test_outside_the_coverage_is_not_the_same_as_nothing(
    lake: Store, config: Config, sources: Path, tmp_path: Path
) -> None:
    with lake.ledger.closing():
        dec = ScoredObjects(start_run(lake, Config())).objects.dec
    limit = float(np.median(dec))
    run(lake, config, catalogues=declare(sources, dec_min=limit))
    rows = [row for row in read(lake, "mine") if row["match_rank"] == 1]
    empty = [row["match_state"] == "not_covered" for row in rows]
    np.testing.assert_array_equal(empty, dec < limit)
    (tmp_path / "moc.json").write_text('{"6": [0]}')
    run(lake, config, catalogues=declare(sources, moc=str(tmp_path / "moc.json")))
    facts = describe(lake, "mine")
    assert facts["n_not_covered"] == len(dec)
    assert facts["coverage_rule"] == "inside the MOC moc.json"
    (tmp_path / "moc.json").write_text("not a MOC")
    with pytest.raises(UserError, match=r"MOC .*moc\.json: cannot be read"):
        run(lake, config, catalogues=declare(sources, moc=str(tmp_path / "moc.json")))


def test_candidates_beyond_their_error_do_not_count(
    lake: Store, config: Config, sources: Path
) -> None:
    settings = {"radius": 5.0, "max_normalised_separation": 2.0}
    run(lake, config, catalogues=declare(sources, **settings), position_error=0.3)
    rows = read(lake, "mine")
    # 1.5 and 3 arcsec are three and six sigma; what is left of the pairs is the near one.
    assert {row["match_id"] for row in rows if row["match_id"]} == {
        *(f"S{n}" for n in range(10)),
        *(f"S{n}" for n in range(20, 25)),
    }


def test_objects_without_position_are_not_queried(
    lake: Store, config: Config, sources: Path
) -> None:
    path = next(lake.lake.dataset("targets").rglob("*.parquet"))
    data, stamp = lake.read(path), lake.read_stamp(path)
    assert stamp is not None
    blank = pc.if_else(pc.equal(data["TARGETID"], data["TARGETID"][0]), None, data["TARGET_RA"])
    place = data.schema.get_field_index("TARGET_RA")
    data = data.set_column(place, data.schema.field("TARGET_RA"), blank)
    made = {name: value for name, value in vars(stamp).items() if name != "content"}
    lake.write(path, data, TARGETS, **made)
    run(lake, config, catalogues=declare(sources))
    assert describe(lake, "mine")["n_not_queried"] == 1


def test_only_what_changed_is_searched_again(lake: Store, config: Config, sources: Path) -> None:
    assert run(lake, config, catalogues=declare(sources)).made == 1
    assert run(lake, config, catalogues=declare(sources)).made == 0
    assert run(lake, config, catalogues=declare(sources, radius=3.0)).made == 1
    pq.write_table(pq.read_table(sources).slice(1), sources)
    assert run(lake, config, catalogues=declare(sources, radius=3.0)).made == 1
    assert describe(lake, "mine")["n_sources"] == 24


def test_failed_service_is_an_error_state_and_asked_again(lake: Store, config: Config) -> None:
    with lake.ledger.closing():
        objects = ScoredObjects(start_run(lake, Config())).objects
    near = offset(objects.ra[:3], objects.dec[:3], 0.3 / 3600, 0.0)
    table = Table({"Source": ["a", "b", "c"], "ra": near[0], "dec": near[1], "mag": [1, 2, 3]})
    with serving(table) as observatory:
        name = "gaia_dr3"
        catalogue = ask_observatory(observatory, radius=1.0)
        settings = {
            "catalogues": {name: catalogue},
            "ask": [name],
            "ask_for": "all",
            "batch_rows": 20,
            "max_attempts": 1,
            "seconds_between_requests": 0.0,
            "timeout_s": 5.0,
        }
        observatory.faults.extend(["html"])
        report = run(lake, config, **settings)
        facts = describe(lake, name)
        # The batch that failed; the others have their answers.
        assert facts["n_service_error"] == 20
        assert facts["n_no_match"] == len(objects.ra) - 20
        assert all(row["service_error"] for row in read(lake, name)[:20])
        assert "the service failed for 20 objects" in report.notes[0]
        n_before = len(observatory.n_asked)
        assert run(lake, config, **settings).made == 1
        facts = describe(lake, name)
        assert (facts["n_service_error"], facts["n_matched"]) == (0, 3)
        # Only the missing batch and the shifted positions were asked for.
        assert len(observatory.n_asked) == n_before + 2
        assert run(lake, config, **settings).made == 0
        assert facts["query_date"] == read(lake, name)[0]["query_date"]
        assert facts["acknowledgement"] == read_declared()[name].acknowledgement


def test_only_graded_objects_are_asked_for(lake: Store, config: Config) -> None:
    with lake.ledger.closing():
        n_graded = int(ScoredObjects(start_run(lake, Config())).objects.is_graded.sum())
    table = Table({"Source": ["a"], "ra": [1.0], "dec": [1.0], "mag": [1]})
    with serving(table) as observatory:
        catalogue = ask_observatory(observatory)
        run(lake, config, catalogues={"gaia_dr3": catalogue}, ask=["gaia_dr3"])
    facts = describe(lake, "gaia_dr3")
    assert facts["n_not_queried"] == len(read(lake, "gaia_dr3")) - n_graded


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ask": ["gaia"]}, "did you mean 'gaia_dr3'"),
        ({"ask": ["desi_bal"]}, "desi_bal has no service"),
        ({"catalogues": {"simbat": CatalogueSettings(radius=1.0)}}, "did you mean 'simbad'"),
        ({"catalogues": {"mine": CatalogueSettings(files=["absent.csv"])}}, "no such file in"),
    ],
)
def test_wrong_settings_are_one_line(
    lake: Store, config: Config, settings: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(lake, config, **settings)


def test_declared_catalogues_owe_an_acknowledgement_and_say_how_to_get_them() -> None:
    for name, catalogue in resolve_catalogues(CrossmatchSettings()).items():
        assert catalogue.title, name
        assert catalogue.acknowledgement, name
        assert catalogue.id, name
        assert bool(catalogue.service) == bool(catalogue.table), name
        assert (catalogue.service == "tap") == bool(catalogue.url), name
        assert {catalogue.object_type, catalogue.references} <= {"", *catalogue.keep}, name
