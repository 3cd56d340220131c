"""The house keeps its shape: pure rooms stay pure, modules small, room __init__ files empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "algosync"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ("profiles", "related", "payloads", "experience")
PURE_OF_SYNC = {PACKAGE / "sync" / f"{name}.py" for name in ("plan", "brake", "pace", "quiet")}
PURE = sorted(path for path in MODULES if path.relative_to(PACKAGE).parts[0] in ROOMS or path in PURE_OF_SYNC)
FOREIGN = ("duckdb", "sqlalchemy", "httpx", "algoliasearch", "requests", "fsspec")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_pure_rooms_load_no_input_or_output_library() -> None:
    names = [_name(path) for path in PURE]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted(m for m in {FOREIGN!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys; import algosync.cli.app\n"
        "slow = ('duckdb', 'ibis', 'pandas', 'sklearn', 'scipy', 'sqlalchemy', 'algoliasearch', 'pydantic',"
        " 'apscheduler', 'prometheus_client', 'starlette')\n"
        "print([m for m in slow if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert lines == []


def test_no_module_is_ignored_and_so_left_out_of_wheels() -> None:
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    assert list(ignored.match_files(str(path.relative_to(ROOT)) for path in MODULES)) == []


@pytest.mark.parametrize(
    ("library", "module"),
    [
        ("algoliasearch", "algosync.algolia.wire"),
        ("apscheduler", "algosync.scheduler"),
        ("prometheus_client", "algosync.runtime.metrics"),
    ],
)
def test_only_one_module_names_a_library_that_others_could_replace(library: str, module: str) -> None:
    importers = [
        _name(path)
        for path in MODULES
        if any(
            line.lstrip().startswith((f"import {library}", f"from {library}")) for line in path.read_text().splitlines()
        )
    ]
    assert importers == [module]
