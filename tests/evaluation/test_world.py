"""Everything that tells how a model does elsewhere, in one table."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.analysis.expressions import ExpressionModel
from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.manifest import Manifest, Row
from mien.data.people.exact import HALF, PER_FRAME, PER_ITEM, Exact
from mien.evaluation.runs import Run
from mien.evaluation.world import FERPLUS, SPOILT, Measure, World, measure_world
from mien.models.record import ModelRecord, Preprocessing

LABELS = LABEL_SPACES["ferplus"]
NAN = [np.nan] * 3


class Smiling:
    """A model that names a bright picture happiness and a dark one neutral, a little unsure."""

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


def write_ferplus(path: Path) -> None:
    images = np.stack([np.full((48, 48), level, np.uint8) for level in (10, 10, 10, 200)])
    votes = np.zeros((4, 10), np.uint8)
    votes[:2, 0], votes[2:, 1] = 9, 9
    np.savez(path, valid_images=images, valid_votes=votes, train_images=images, train_votes=votes)


def write_people(folder: Path, count: int = 24) -> None:
    """Half neutral, half smiles of strength 0.2 or 0.9, of which only the strong ones are bright."""
    folder.mkdir()
    rows, place = [], np.arange(count)
    strength = np.where(place % 2 == 0, 0.0, np.where(place < 12, 0.2, 0.9))
    for item, strong in enumerate(strength):
        cv2.imwrite(str(folder / f"{item}.png"), np.full((48, 48, 3), 200 if strong > 0.5 else 10, np.uint8))
        label = "happiness" if item % 2 else "neutral"
        rows.append(Row(str(item), f"{item}.png", "image", label, "test", 0, f"p{item}"))
    Manifest("people", LABELS, tuple(rows), folder).save(folder)
    shapes = {"coefficients": (1, 2), "landmarks": (1, 68, 2), "pose": (1, 3), "gaze": (1, 2, 2), "blink": (1, 2)}
    columns = {name: np.zeros((count, *shapes.get(name, (1, 8))), np.float16) for name in PER_FRAME}
    columns |= {name: np.zeros(count, np.int64) for name in PER_ITEM if name not in HALF}
    columns |= {"strength": strength[:, None].astype(np.float16), "tone": (place / count).astype(np.float32)}
    columns |= {"votes": np.zeros((count, 8), np.float32), "glasses": place > 90, "speaks": place > 90}
    columns |= {name: np.array([""] * count) for name in ("style", "course", "cover")}
    Exact(("a", "b"), **columns).save(folder / "exact.npz")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> World:
    folder = tmp_path_factory.mktemp("world")
    write_ferplus(folder / FERPLUS)
    write_people(folder / "people")
    (folder / "seen").mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"seen/{number}.png"), portrait[:256, 96:352, ::-1])
    cv2.imwrite(str(folder / "seen/wall.png"), np.full((64, 64, 3), 90, np.uint8))
    (folder / "seen/labels.csv").write_text("file,label\n0.png,happy\n1.png,fear\nwall.png,happiness\n")
    return measure_world(Run(Smiling(), {}), ExpressionModel(Smiling()), folder)  # type: ignore[arg-type]


def test_every_set_that_is_there_is_measured(world: World) -> None:
    spoilt = [f"FERPlus validation, {name}" for name in SPOILT]
    assert [one.name for one in world.measures] == ["FERPlus validation", *spoilt, "rendered people (people)", "seen"]
    assert (world.model, world.prior, world.clips) == ("smiling", "trained", {})


def test_a_face_that_is_not_found_is_a_wrong_answer(world: World) -> None:
    found = world.measures[-1].to_dict()
    assert (found["items"], found["no_face"], found["accuracy"]) == (3, 1, pytest.approx(1 / 3))
    assert found["recall"] == {"happiness": 0.5, "fear": 0.0}
    assert found["answered"] == pytest.approx(2 / 3)  # of all, those without a face among them
    assert found["right_when_answered"] == pytest.approx(1 / 2)


def test_figures_have_intervals_and_no_face_is_in_them() -> None:
    targets, rows = np.array([0, 1] * 50), np.eye(3)[[0, 1] * 50] * 0.8 + 0.05
    rows[:20] = NAN
    found = Measure("m", ("a", "b", "c"), targets, rows, 0.5).to_dict()
    assert found["accuracy"] == pytest.approx(0.8)
    low, high = found["accuracy_interval"]
    assert (low, high) == (pytest.approx(0.72, abs=0.02), pytest.approx(0.88, abs=0.02))  # of 100 throws at 0.8
    assert found["mean_recall_interval"] == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_held_out_faces_are_measured_as_in_evaluation(world: World) -> None:
    found = world.measures[0].to_dict()
    assert found["recall"] == {"neutral": 1.0, "happiness": 0.5}
    assert (found["accuracy"], found["mean_recall"]) == (0.75, 0.75)


def test_rendered_people_are_told_apart_by_strength(world: World) -> None:
    groups = world.measures[-2].to_dict()["groups"]
    assert groups["strength"] == {"none": {"neutral": 1.0}}  # six smiles of either strength are too few for a figure
    assert groups["turn of the head, degrees"] == {"under 10": {"neutral": 1.0, "happiness": 0.5}}


def test_groups_are_words_or_cut_numbers() -> None:
    from mien.evaluation.world import _groups

    given = [
        {"age": str(age), "gender": gender, "name": f"n{age}"}
        for age, gender in zip(range(20, 60), "mf" * 20, strict=True)
    ]
    found = _groups(given)
    assert set(found) == {"age", "gender"}
    assert [found["age"][place] for place in (0, 10, -1)] == ["under 30", "30 to 45", "45 and more"]


def test_a_set_without_any_face_has_figures_too() -> None:
    found = Measure("m", ("a", "b", "c"), np.array([0, 1]), np.array([NAN, NAN]), 0.5).to_dict()
    assert (found["accuracy"], found["answered"], found["ece"], found["right_when_answered"]) == (0, 0, None, None)


def test_tables_hold_every_set_and_the_files_are_written(world: World, tmp_path: Path) -> None:
    world.save(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert re.search(r"\| seen \| 3 \| 1 \| 33\.3 \(0\.0 to 100\.0\) \| 25\.0 \(", text)
    assert "| rendered people (people), by strength | neutral |" in text
    assert (tmp_path / "report.json").is_file()


def test_a_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(DataError, match="sets to measure on"):
            measure_world(Run(Smiling(), {}), ExpressionModel(Smiling()), folder)  # type: ignore[arg-type]
