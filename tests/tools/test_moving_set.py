"""tools/moving_set.py: training faces alone, each with its votes, and rendered clips where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from mien.data.datasets.ferplus import LABELS
from mien.data.manifest import Manifest, Row, load_manifest
from mien.data.pixels import frame_count, read_clip


def test_faces_move_and_people_stay_where_they_are(load_tool: Callable[[str], ModuleType], tmp_path: Path) -> None:
    tool = load_tool("moving_set")
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 6), ("valid", 3)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 48, 48)).astype(np.uint8)
        votes = np.zeros((count, 10), np.uint8)
        votes[np.arange(count), np.arange(count)] = 10
        arrays[f"{split}_votes"] = votes
    np.savez(tmp_path / "faces.npz", **arrays)
    people = tmp_path / "people"
    for frame in range(3):
        (people / "pictures").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(people / f"pictures/{frame}.jpg"), np.full((48, 48, 3), 90, np.uint8))
    shares = (0.25, 0.75, *([0.0] * 6))
    row = Row("0", "pictures", "frames", "happiness", "train", 0, "p0", shares)
    Manifest("people", LABELS, (row, Row("1", "pictures", "frames", "fear", "test")), people, 48).save(people)

    tool.main(tmp_path / "faces.npz", people, tmp_path / "both", 4, 3, 1)
    made = load_manifest(tmp_path / "both")
    *faces, person = made.rows
    assert (len(faces), person.id, person.votes, person.subject) == (4, "people-0", shares, "p0")
    assert read_clip(made, person).mean() == pytest.approx(90, abs=2)
    assert {row.split for row in made.rows} == {"train"}
    for row in faces:
        assert frame_count(made, row) == 3
        clip = read_clip(made, row).astype(float)
        assert np.abs(np.diff(clip, axis=0)).mean() > 1, "it moves"
        assert row.votes[LABELS.index(row.label)] == 1

    again = tool.main(tmp_path / "faces.npz", None, tmp_path / "again", 4, 3, 1)
    assert [row.id for row in again.rows] == [row.id for row in faces]
    assert np.array_equal(read_clip(again, again.rows[0]), read_clip(made, faces[0]))
