"""The rules of the house, kept by every file of the package."""

from __future__ import annotations

import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import rules

import mien

PACKAGE = Path(mien.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
TABLE_OF_CONTENTS = PACKAGE / "__init__.py"


def room_of(path: Path) -> str:
    """The first folder below the package; the package's own files see every room."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else rules.ROOMS[-1]


def breaches(rule: Callable[[Path, str], list[str]]) -> list[str]:
    return [f"{path.relative_to(PACKAGE)}: {what}" for path in MODULES for what in rule(path, path.read_text("utf-8"))]


def test_there_is_something_to_check() -> None:
    assert {room_of(path) for path in MODULES} <= set(rules.ROOMS), "a room that the order does not know"
    assert len(MODULES) > 60


def test_rooms_import_downward_only() -> None:
    assert breaches(lambda path, text: rules.upward_imports(text, room_of(path))) == []


def test_no_files_import_each_other_in_a_ring() -> None:
    sources = {
        ".".join(("mien", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path.read_text(
            "utf-8"
        )
        for path in MODULES
    }
    assert rules.circle(sources) == []


def test_the_tour_lists_the_rooms_in_this_order(root: Path) -> None:
    rows = [line.split("`")[1] for line in (root / "docs" / "tour.md").read_text().splitlines() if line[:3] == "| `"]
    there = {room_of(path) for path in MODULES}
    assert rows == [room for room in rules.ROOMS if room in there]


def test_modules_and_functions_stay_short() -> None:
    assert breaches(lambda path, text: rules.too_long(text)) == []


def test_public_names_have_docstrings() -> None:
    assert breaches(lambda path, text: rules.undocumented(text)) == []


def test_public_names_have_types() -> None:
    assert breaches(lambda path, text: rules.untyped(text)) == []


def test_only_the_command_line_talks_to_the_terminal() -> None:
    assert breaches(lambda path, text: [] if room_of(path) == "cli" else rules.output_to_terminal(text)) == []


def test_nothing_forbidden_is_imported() -> None:
    assert breaches(lambda path, text: rules.forbidden_imports(text)) == []


def test_only_settings_know_the_home_folder() -> None:
    settings = PACKAGE / "core" / "settings.py"
    assert breaches(lambda path, text: [] if path == settings else rules.strays(text)) == []


def test_no_error_is_swallowed_and_no_number_is_random() -> None:
    assert breaches(lambda path, text: rules.careless(text)) == []


@pytest.mark.parametrize(
    "program",
    [
        "import mien",
        "import mien; mien.InputError; mien.AnalysisSettings",
        "from mien.cli.main import main; main(['--help'])",
        "from mien.cli.main import main; main(['--version'])",
        "from mien.cli.main import main; main(['analyze', '--help'])",
        "from mien.cli.main import main; main(['models'])",
    ],
)
def test_what_must_answer_at_once_loads_nothing_heavy(program: str) -> None:
    run = subprocess.run([rules.PYTHON, "-c", f"{program}\n{rules.LOADED}"], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == ""


def test_the_measure_of_heavy_imports_works() -> None:
    run = subprocess.run(
        [rules.PYTHON, "-c", f"import cv2\n{rules.LOADED}"], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "cv2"


def test_the_version_is_one(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert mien.__version__ == project["version"]


def test_everything_the_package_offers_is_there() -> None:
    assert [name for name in mien.__all__ if getattr(mien, name, None) is None] == []


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports them by name alone, and leaves the second one out."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
