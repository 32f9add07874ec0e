"""The sheet for asking another model: its questions are fair, and a refusal counts as wrong."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.core.labels import LabelSpace
from mien.evaluation.compare import compare
from mien.evaluation.predictions import load_predictions
from mien.evaluation.report import make_report


def test_orders_are_even_refusals_are_wrong_and_tables_are_measured(root: Path, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (root / "docs/language-models.md").read_text("utf-8"), re.DOTALL)
    assert code
    page: dict = {}
    exec(code[1], page)
    labels = page["LABELS"]
    asked = [page["question"](f"face{n}", 1) for n in range(400)]
    first = Counter(text.split("alone: ")[1].split(",")[0] for text in asked)
    assert min(first[label] for label in labels) > 25, "each stands first about as often"
    assert page["question"]("face1", 1) == asked[1]
    assert page["question"]("face1", 2) != asked[1]
    true = {"a": "happiness", "b": "neutral", "c": "anger", "d": "happiness"}
    said = {"a": "Happiness.", "b": "neutral", "c": "I cannot tell.", "d": "happiness or surprise"}
    page["write"](tmp_path / "theirs.csv", said, true)
    page["write"](tmp_path / "ours.csv", true, true)
    theirs, ours = (load_predictions(tmp_path / f"{name}.csv") for name in ("theirs", "ours"))
    assert make_report(theirs).war.value == 0.5
    assert "refused" in theirs.labels.labels
    assert compare(ours, theirs).war.value == 0.5
    shares = np.eye(len(labels))[[labels.index(label) for label in true.values()]]
    sure = 0.9 * shares + 0.1 / len(labels)
    model = replace(ours, labels=LabelSpace("eight", tuple(labels)), probabilities=sure, targets=shares.argmax(1))
    assert compare(model, theirs).war.value == 0.5, "a model that cannot refuse beside one that does"
