"""Views of clips: the paper's four-view mean with fewer passes, labels by name, and files that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.clips.indices import evaluation_views
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.data.manifest import Manifest, Row
from mien.data.pixels import read_clip
from mien.evaluation import views
from mien.evaluation.views import match_labels, predict_clips
from mien.models.record import ModelRecord, Preprocessing

SPACE = LabelSpace("three", ("anger", "fear", "neutral"))
LENGTHS = (5, 16, 17, 30, 16)


class Counting:
    """A model whose answer depends on every frame and its place, and that keeps what it was shown."""

    engine = "torch"

    def __init__(self, labels: LabelSpace = SPACE, frames: int | None = 16) -> None:
        shape = {"frames": frames}
        self.record = ModelRecord("counting", labels, Preprocessing(8, 8), shape, protocol="clean", threshold=0.4)
        self.shown: list[np.ndarray] = []

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        self.shown.append(clips)
        levels = clips.astype(float).mean((2, 3, 4)) / 255
        ramp = np.linspace(0.5, 1.5, clips.shape[1])
        logits = np.stack([np.cos((k + 1) * levels * ramp * 9).sum(1) for k in range(len(self.record.labels))], 1)
        powers = np.exp(logits)
        return powers / powers.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Folders of frames, each of its own grey."""
    root, rng, rows = tmp_path_factory.mktemp("clips"), np.random.default_rng(0), []
    for number, length in enumerate(LENGTHS):
        (root / str(number)).mkdir()
        for frame in range(length):
            grey = np.full((8, 8, 3), rng.integers(255), np.uint8)
            cv2.imwrite(str(root / str(number) / f"{frame:03}.png"), grey)
        rows.append(Row(f"clip{number}", str(number), "frames", SPACE.labels[number % 3], "test", 4))
    return Manifest("made", SPACE, tuple(rows), root)


def frames_of(manifest: Manifest, row: Row) -> np.ndarray:
    files = sorted((manifest.root / row.path).glob("*.png"))
    return np.stack([cv2.imread(str(file))[..., ::-1].transpose(2, 0, 1) for file in files])


def test_equal_views_are_computed_once_and_the_answer_is_the_four_view_mean(clips: Manifest) -> None:
    model = Counting()
    found = predict_clips(model, clips, views=2)
    naive = []
    for row, length in zip(clips.rows, LENGTHS, strict=True):
        frames = frames_of(clips, row)
        four = np.repeat(evaluation_views(length, 16, 2), 2, axis=0)  # 2 segments x 2 crops of the same pixels
        naive.append(Counting().probabilities(frames[four]).mean(0))
    np.testing.assert_allclose(found.probabilities, naive, rtol=1e-12)
    # Only clips longer than a view have two that differ: 7 views in place of 20.
    assert sum(len(batch) for batch in model.shown) == 7
    assert found.ids == tuple(row.id for row in clips.rows)
    assert found.targets.tolist() == [0, 1, 2, 0, 1]
    assert (found.dataset, found.split, found.fold) == ("made", "test", 4)
    assert (found.model, found.protocol, found.threshold) == ("counting", "clean", 0.4)


def test_every_frame_is_read_once(clips: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def noted(manifest: Manifest, row: Row, indices: np.ndarray) -> np.ndarray:
        read.append(sorted(indices.tolist()))
        return read_clip(manifest, row, indices)

    monkeypatch.setattr(views, "read_clip", noted)
    predict_clips(Counting(), clips)
    # Two views of 16 frames cover 17 of 17 frames, and 30 of 30.
    assert read == [list(range(length)) for length in LENGTHS]


@pytest.mark.parametrize("batch", [1, 16, 40, 1000])
def test_no_pass_is_larger_than_asked_and_the_answer_is_the_same(clips: Manifest, batch: int) -> None:
    model, seen = Counting(), []
    found = predict_clips(model, clips, batch=batch, progress=lambda done, total: seen.append((done, total)))
    assert all(shown.shape[0] == 1 or shown.shape[0] * shown.shape[1] <= batch for shown in model.shown)
    assert len(model.shown) == {1: 7, 16: 7, 40: 4, 1000: 1}[batch]
    np.testing.assert_allclose(found.probabilities, predict_clips(Counting(), clips).probabilities, rtol=1e-12)
    assert seen[-1] == (5, 5)


def test_frames_of_a_view_come_from_the_record_unless_said(clips: Manifest) -> None:
    model = Counting()
    predict_clips(model, clips, frames=4)
    assert {shown.shape[1] for shown in model.shown} == {4}
    other = Counting()
    other.record = replace(other.record, frames=8)
    predict_clips(other, clips)
    assert {shown.shape[1] for shown in other.shown} == {8}


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root, rows = tmp_path_factory.mktemp("stills"), []
    for number, side in enumerate((8, 8, 12)):
        cv2.imwrite(str(root / f"{number}.png"), np.full((side, side, 3), 40 * number, np.uint8))
        rows.append(Row(f"s{number}", f"{number}.png", "image", SPACE.labels[number], "test"))
    return Manifest("stills", SPACE, tuple(rows), root)


def test_a_still_has_one_view_of_one_frame_or_of_what_a_video_model_needs(stills: Manifest) -> None:
    for frames, wanted in ((None, 1), (16, 16)):
        model = Counting(frames=frames)
        predict_clips(model, stills)
        # Pictures of another size go in a pass of their own.
        assert [shown.shape[:2] for shown in model.shown] == [(2, wanted), (1, wanted)]


def test_labels_are_matched_by_name_whatever_their_order_and_spelling(stills: Manifest) -> None:
    straight = predict_clips(Counting(), stills)
    turned = Counting(LabelSpace("turned", ("neutral", "angry", "fearful")))
    found = predict_clips(turned, stills)
    assert found.labels.labels == SPACE.labels
    assert found.targets.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found.probabilities, straight.probabilities[:, [1, 2, 0]])


def test_other_labels_are_refused_or_reduced_to_the_shared_ones(stills: Manifest) -> None:
    stranger = Counting(LabelSpace("stranger", ("neutral", "contempt", "anger")))
    with pytest.raises(ConfigError, match=r"only in the model: contempt; only in the data: fear.*--map"):
        predict_clips(stranger, stills)
    found = predict_clips(stranger, stills, shared=True)
    assert found.labels.labels == ("anger", "neutral")
    assert found.ids == ("s0", "s2")
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    assert found.notes[0].startswith("evaluated on the 2 shared classes")
    assert found.notes[1].startswith("1 items without one of these labels")
    with pytest.raises(ConfigError, match="only in the data"):
        match_labels(LabelSpace("x", ("joy", "fear")), LabelSpace("y", ("anger", "fear")), shared=True)


def test_an_item_that_cannot_be_read_is_left_out_and_said(stills: Manifest) -> None:
    torn = replace(stills, rows=(stills.rows[0], replace(stills.rows[1], path="gone.png"), stills.rows[2]))
    found = predict_clips(Counting(), torn)
    assert found.ids == ("s0", "s2")
    assert "1 items could not be read" in found.notes[0]
    assert "gone.png" in found.notes[0]
    with pytest.raises(DataError, match=r"gone\.png"):
        predict_clips(Counting(), replace(stills, rows=(torn.rows[1],)))


def test_a_set_without_labels_is_refused(stills: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="items labelled anger, fear, neutral"):
        predict_clips(Counting(), replace(stills, rows=tuple(replace(row, label="") for row in stills.rows)))
