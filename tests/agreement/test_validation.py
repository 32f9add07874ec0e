"""Pictures that people labelled: the model's matching score beside the rate of one rater."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from mien.agreement.validation import human_rates, validate
from mien.core.errors import DataError, SourceError
from mien.core.labels import LABEL_SPACES
from mien.evaluation.runs import Run
from mien.models.record import ModelRecord, Preprocessing

LABELS = LABEL_SPACES["ferplus"]


class Smiling:
    """Names a bright crop happiness and a dark one neutral."""

    engine, precision = "torch", "float32"
    record = ModelRecord("smiling", LABELS, Preprocessing(48, 48), {"frames": None}, frames=1, threshold=0.5)

    def logits(self, clips: np.ndarray) -> np.ndarray:
        bright = clips.mean((1, 2, 3, 4)) > 60
        logits = np.zeros((len(clips), len(LABELS)))
        logits[:, LABELS.labels.index("happiness")] = 3 * bright
        logits[:, LABELS.labels.index("neutral")] = 3 * ~bright
        return logits

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        return self.record.calibration.probabilities(self.logits(clips))


class Reader:
    """Analyses a picture without a detector; a picture called ``wall`` has no face."""

    def analyze(self, source: Path) -> Any:
        if source.stem == "wall":
            raise SourceError("a face", "a wall", "look elsewhere")
        picture = cv2.imread(str(source))[:, :, ::-1]
        rows = Smiling().probabilities(np.ascontiguousarray(picture.transpose(2, 0, 1))[None, None])
        return SimpleNamespace(frames=Faces({"box": np.array([[0, 0, 9, 9]]), "probabilities": rows}))


class Faces(dict[str, Any]):
    column = dict.__getitem__


@pytest.fixture
def run() -> Run:
    return Run(Smiling(), {})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, level in (("a", 200), ("b", 200), ("c", 10), ("wall", 200)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((48, 48, 3), level, np.uint8))
    rows = ["a.png,happy,happy:9;neutral:1", "b.png,neutral,neutral=6;joy=4", "c.png,neutral,neutral:5;bored:5"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,votes", *rows, "wall.png,happiness,happiness:10"]))
    return tmp_path


def test_a_model_beside_one_rater(run: Run, folder: Path) -> None:
    found = validate(run, Reader(), folder)  # type: ignore[arg-type]
    told = found.to_dict()
    assert (told["pictures"], told["no_face"], told["raters"]) == (4, 1, 10)
    happy, neutral = told["expressions"]["happiness"], told["expressions"]["neutral"]
    assert (happy["pictures"], happy["matching_score"], neutral["matching_score"]) == (2, 0.5, 0.5)
    # All raters of a and wall face others of whom most say happy: 19 of 20 do so themselves.
    assert happy["human_rate"] == pytest.approx(19 / 20)
    # b: 6 of 10. c: who says neutral faces 4 against 5 (bored), who says bored 5 against 4 (neutral): 0 of 5.
    assert neutral["human_rate"] == pytest.approx(6 / 15)
    assert 0 < happy["low"] < 0.5 < happy["high"] < 1
    assert "| happiness | 2 | 50.0 [9.5, 90.5] | 95.0 |" in found.to_markdown()
    found.save(folder / "out")
    assert json.loads((folder / "out/report.json").read_text()) == told


def test_without_votes_there_is_no_human_rate(run: Run, folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\na.png,happy\n")
    told = validate(run, Reader(), folder).to_dict()  # type: ignore[arg-type]
    assert (told["mean_human_rate"], told["expressions"]["happiness"]["human_rate"]) == (None, None)
    (folder / "labels.csv").write_text("file,label,votes\na.png,happy,many\n")
    with pytest.raises(DataError, match="happiness:7"):
        validate(run, Reader(), folder)  # type: ignore[arg-type]


def test_ferplus_has_votes(run: Run, tmp_path: Path) -> None:
    images = np.stack([np.full((48, 48), level, np.uint8) for level in (10, 200, 10, 10)])
    votes = np.zeros((4, 10), np.uint8)
    votes[0, 0], votes[1, 1], votes[2, [0, 1]], votes[3, [0, 1]] = 10, 10, (3, 7), (5, 5)  # the last has no majority
    np.savez(tmp_path / "ferplus_48.npz", valid_images=images, valid_votes=votes)
    told = validate(run, Reader(), tmp_path).to_dict()  # type: ignore[arg-type]
    assert told["pictures"] == 3
    assert told["expressions"]["happiness"]["matching_score"] == 0.5
    assert told["expressions"]["happiness"]["human_rate"] == pytest.approx(17 / 20)
    assert told["expressions"]["neutral"]["human_rate"] == 1


def test_ties_of_the_others_count_in_parts() -> None:
    # 2 against 1: each of the two faces a tie (half neutral, wrong half), the third faces 2 of the first.
    rates = human_rates(np.array([[2, 1, 0]]))
    assert rates == pytest.approx([1 / (1 + 1), 0])
