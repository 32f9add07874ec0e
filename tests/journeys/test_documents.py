"""What README and tour tell a newcomer to type works as written: blocks below ``<!-- test -->`` are run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from helps import help_of

HELPFUL = (
    "adapt",
    "adapt model --forget list.txt",
    *("analyze", "models", "doctor", "train videos", "evaluate", "prepare"),
    *("explain", "plot", "watch", "serve", "export", "prepare people", "study"),
    *("export-result", "agree", "validate"),
)
"""Verbs whose options the documents name."""
DOCUMENTS = ("README.md", "docs/tour.md")
ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- test -->\n```(bash|python)\n(.*?)```", re.DOTALL)
BLOCKS = [(name, *block) for name in DOCUMENTS for block in BLOCK.findall((ROOT / name).read_text("utf-8"))]


def test_both_documents_show_both_languages() -> None:
    assert {block[:2] for block in BLOCKS} == {(name, kind) for name in DOCUMENTS for kind in ("bash", "python")}


@pytest.mark.parametrize(("name", "language", "text"), BLOCKS, ids=[f"{name}-{kind}" for name, kind, _ in BLOCKS])
def test_the_block_runs_as_written(furnished, name: str, language: str, text: str) -> None:
    command = ("bash", "-euc") if language == "bash" else (sys.executable, "-c")
    ran = furnished.run(*command, text)
    assert ran.returncode == 0, ran.stderr
    assert "happiness" in ran.stdout
    assert (furnished.folder / "out" / "talk" / "spans.csv").is_file()


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]), ids=lambda path: path.name
)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_option_that_a_document_names_exists() -> None:
    text = "".join((ROOT / name).read_text("utf-8") for name in (*DOCUMENTS, "docs/outputs.md"))
    helps = "".join(map(help_of, HELPFUL))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help", "--version"}
    assert named
    assert {option for option in named if not re.search(rf"{option}(?![\w-])", helps)} == set()
