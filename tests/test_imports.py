"""Directions of travel: who may import whom, and which doors the heavy libraries have."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("catalog_schema", "pipeline", "release", "portal")
SOURCES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))

# What release may use of the pipeline.
SHARED = {
    f"pipeline.{name}"
    for name in (
        "context.catalogues.declared",
        "config",
        "errors",
        "flow.root",
        "flow.kinds",
        "lake.files",
        "lake.layout",
        "ledger.books",
        "lake.model_files",
        "names",
        "numerics",
        "progress",
        "settings.judge",
        "judge.rank",
        "reviews.audit",
        "reviews.consensus",
        "reviews.review_ledger",
        "reviews.review",
        "reviews.sample",
        "science.draw",
        "science.shares",
        "judge.science.independence",
        "science.sky",
        "lake.store",
        "transport.retry",
        "stage",
    )
}
# What portal may use of the pipeline: the review ledger, which it writes to, and the reader of
# tables that strangers hand over; one module each.
PORTAL_DOORS = {
    "portal/data/reviewing.py": {
        "pipeline.ledger.database",
        "pipeline.errors",
        "pipeline.reviews.consensus",
        "pipeline.reviews.review_ledger",
        "pipeline.reviews.review",
    },
    "portal/data/uploads.py": {
        "pipeline.errors",
        *(f"pipeline.user_tables.{n}" for n in ("content", "names", "table", "text", "values")),
    },
}
# Rooms of the portal: what each may use of the others; the files beside them use all.
PORTAL_ROOMS = {
    "data": (),
    "drawing": ("data",),
    "export": ("data",),
    "service": ("data", "export"),
    "views": ("data", "drawing", "export", "service"),
}
# Rooms of the pipeline from the top down: each imports from those below it alone.
PIPELINE_ROOMS = (
    ("notebook",),
    ("cli",),
    ("plots",),
    ("flow",),
    ("spectra",),
    ("judge",),
    ("context", "reviews"),
    ("user_tables",),
    ("run",),
    ("stage", "fits", "ledger", "workers"),
    ("transport",),
    ("lake", "progress"),
    ("config",),
    ("settings",),
    ("names", "numerics", "science"),
    ("errors",),
)
# Rooms and files of the release likewise.
RELEASE_ROOMS = (
    ("cli",),
    ("build", "places"),
    ("changelog", "documents"),
    ("checks", "diff"),
    ("faces",),
    ("tables",),
    ("manifest",),
    ("inputs",),
    ("conservation", "credit", "sealing", "versions"),
    ("rendering",),
)
# Library: where it may be imported.
DOORS = {
    "ray": ("pipeline/workers.py", "pipeline/spectra/model/tune.py"),
    "boto3": ("pipeline/transport/s3.py", "release/places/bucket.py"),
    "huggingface_hub": ("release/places/hub.py",),
    "hats": ("release/faces/hats_",),
    "streamlit": ("portal/",),
    "altair": ("portal/",),
    "duckdb": ("portal/", "release/", "pipeline/context/catalogues/"),
    "astroquery": ("pipeline/context/catalogues/services.py",),
    "pyvo": ("pipeline/context/catalogues/services.py",),
    "mocpy": (
        "pipeline/context/catalogues/coverage.py",
        "pipeline/spectra/mock/",
        "release/faces/footprint.py",
    ),
    "torch": ("pipeline/",),
    "onnx": ("pipeline/spectra/model/export.py",),
    "mlflow": ("pipeline/spectra/model/tracking.py",),
    "matplotlib": ("pipeline/plots/", "release/faces/", "release/templates/"),
    "codecarbon": ("pipeline/spectra/model/tracking.py",),
    "sklearn": ("pipeline/",),
    "threadpoolctl": ("pipeline/numerics.py",),
    "dust_extinction": ("pipeline/",),
    "cdshealpix": ("pipeline/",),
}


def find_imports(path: Path) -> set[str]:
    """Return every module that a file imports, at the top or inside a function.

    What is imported for the types alone is never loaded.
    """
    modules = set()
    tree = ast.parse(path.read_text())
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    for block in blocks:
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


IMPORTS = {name_of(path): find_imports(path) for path in SOURCES}


def select(prefix: str, package: str) -> dict[str, set[str]]:
    """Return what files below a prefix import from a package of ours."""
    inside = {
        name: {m for m in modules if m == package or m.startswith(f"{package}.")}
        for name, modules in IMPORTS.items()
        if name.startswith(prefix)
    }
    return {name: modules for name, modules in inside.items() if modules}


def test_sources_are_found() -> None:
    assert {name.split("/")[0] for name in IMPORTS} == set(OURS)
    assert "catalog_schema.column" in IMPORTS["catalog_schema/tables.py"]
    assert "ray" in IMPORTS["pipeline/workers.py"]


@pytest.mark.parametrize(
    ("prefix", "package"),
    [
        ("catalog_schema/", "pipeline"),
        ("catalog_schema/", "release"),
        ("catalog_schema/", "portal"),
        ("pipeline/", "release"),
        ("pipeline/", "portal"),
        ("portal/", "release"),
        ("release/", "portal"),
    ],
)
def test_nobody_looks_up_the_stream(prefix: str, package: str) -> None:
    assert select(prefix, package) == {}


def test_portal_uses_the_pipeline_by_two_doors_only() -> None:
    used = select("portal/", "pipeline")
    assert set(used) == set(PORTAL_DOORS)
    for door, allowed in PORTAL_DOORS.items():
        assert all(m in allowed or m.rpartition(".")[0] in allowed for m in used[door])


@pytest.mark.parametrize("room", PORTAL_ROOMS)
def test_rooms_of_the_portal_use_only_those_below(room: str) -> None:
    below = tuple(f"portal.{name}" for name in (room, *PORTAL_ROOMS[room]))
    used = set().union(*select(f"portal/{room}/", "portal").values()) - {"portal"}
    assert {m for m in used if ".".join(m.split(".")[:2]) not in below} == set()


def test_release_uses_only_the_shared_part_of_the_pipeline() -> None:
    packages = {
        f"pipeline.{name}"
        for name in (
            "context",
            "flow",
            "judge",
            "judge.science",
            "lake",
            "ledger",
            "reviews",
            "science",
            "transport",
        )
    }
    allowed = {"pipeline", *packages, *SHARED}
    beyond = {
        name: {m for m in modules if m not in allowed and m.rpartition(".")[0] not in SHARED}
        for name, modules in select("release/", "pipeline").items()
    }
    assert {name: modules for name, modules in beyond.items() if modules} == {}


def test_science_knows_nobody_but_itself_and_the_words_of_the_schema() -> None:
    words = ("constants", "grids", "lines", "statistics", "measurements", "vocabulary")
    for name, modules in IMPORTS.items():
        ours = {m for m in modules if m.split(".")[0] in OURS} if "/science/" in name else set()
        beyond = {m for m in ours if m.split(".")[-2:-1] != ["science"] and ".science." not in m}
        allowed = tuple(f"catalog_schema.{word}" for word in words)
        assert all(m.startswith(allowed) or m.endswith(".science") for m in beyond), name


def test_nobody_outside_the_mock_imports_its_inside() -> None:
    users = {name for name in select("pipeline/", "pipeline.spectra.mock") if "/mock/" not in name}
    assert users == {"pipeline/cli/main.py", "pipeline/flow/data_path.py"}


@pytest.mark.parametrize("name", ["stages/", "survey.py", "candidates.py", "coadd_rows.py"])
def test_stages_know_no_survey(name: str) -> None:
    for survey in ("desi", "mock", "loose"):
        assert select(f"pipeline/spectra/{name}", f"pipeline.spectra.{survey}") == {}


def find_upwards(package: str, order: tuple[tuple[str, ...], ...]) -> set[tuple[str, str]]:
    """Return files of a package with the rooms, of their own floor or above, that they import."""
    floors = {room: floor for floor, rooms in enumerate(order) for room in rooms}
    upwards = set()
    for name, modules in select(f"{package}/", package).items():
        own = name.split("/")[1].removesuffix(".py")
        rooms = {module.split(".")[1] for module in modules if "." in module} - {own}
        upwards |= {(name, room) for room in rooms if floors[room] <= floors[own]}
    return upwards


def test_rooms_of_the_release_look_down() -> None:
    assert find_upwards("release", RELEASE_ROOMS) == set()


def test_rooms_of_the_pipeline_look_down() -> None:
    assert find_upwards("pipeline", PIPELINE_ROOMS) == set()


@pytest.mark.parametrize("library", DOORS)
def test_heavy_library_has_its_door(library: str) -> None:
    users = [
        name
        for name, modules in IMPORTS.items()
        if any(module.split(".")[0] == library for module in modules)
    ]
    assert [name for name in users if not name.startswith(DOORS[library] or ("-",))] == []


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_help_loads_no_heavy_library() -> None:
    heavy = "torch ray astropy streamlit duckdb numba sklearn pyarrow pydantic sqlalchemy numpy"
    code = (
        "import sys; from pipeline.cli.main import qad\n"
        "qad.main(['--help'], standalone_mode=False)\n"
        f"print('loaded:', [m for m in {heavy.split()} if m in sys.modules])"
    )
    out = run_python(code)
    assert "reconstruct" in out
    assert out.endswith("loaded: []\n")


def test_notebook_loads_no_heavy_library_before_it_is_used() -> None:
    heavy = ["torch", "ray", "astropy", "duckdb", "numba", "sklearn", "matplotlib"]
    code = (
        "import sys, pipeline.notebook as n\n"
        f"print('loaded:', [m for m in {heavy} if m in sys.modules])\n"
        "print('lacking:', sorted(set(n.__all__) - set(dir(n))))"
    )
    assert run_python(code) == "loaded: []\nlacking: []\n"


def test_portal_and_schema_import_without_the_libraries_of_the_pipeline() -> None:
    """Every module of the portal but its pages, which run only inside a browser session."""
    pages = {"portal.app"}
    light = {
        "errors",
        "ledger",
        "reviews",
        "transport",
        "user_tables",
    }
    modules = [
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for name in IMPORTS
        if name.startswith(("portal/", "catalog_schema/")) and "/views/" not in name
    ]
    code = (
        "import sys, importlib\n"
        "for m in ('torch', 'ray', 'astroquery', 'astropy', 'numba', 'sklearn', 'release'):\n"
        "    sys.modules[m] = None\n"
        f"for m in {[m for m in modules if m not in pages]}: importlib.import_module(m)\n"
        "ours = {m.split('.')[1] for m in sys.modules if m.startswith('pipeline.')}\n"
        f"assert ours <= {light}, ours\n"
        "print('fine')"
    )
    assert "fine" in run_python(code)
