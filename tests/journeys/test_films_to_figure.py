"""The notebook runs as written, cell after cell, on short films of the names it speaks of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "films-to-figure.ipynb"
FILMS = ("single_face.mp4", "WolfgangLanger_Pexels.mp4")


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_no_answers_are_kept(cells: list[dict]) -> None:
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)


def test_films_become_figures(desk, short_clip: Path, cells: list[dict]) -> None:
    for place in ("docs", "build/samples"):
        (desk.folder / place).mkdir(parents=True)
    for name in FILMS:
        (desk.folder / "build/samples" / name).write_bytes(short_clip.read_bytes())
    text = "\n\n".join("".join(cell["source"]) for cell in cells)
    last = "assert results[0]._repr_html_()\nprint(curve['mean'].iloc[0] < 0.3 < 0.7 < curve['mean'].max())"
    program = f"import os, matplotlib\nos.chdir('docs')\nmatplotlib.use('agg')\n{text}\n{last}"
    ran = desk.run(sys.executable, "-c", program)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.splitlines()[-1] == "True"
    out = desk.folder / "out" / "notebook"
    assert all((out / name).is_file() for name in ("happiness.png", "curve.png", "study/study.html"))
