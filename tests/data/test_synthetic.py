"""Drawn faces: what is visible where, exact orders, known blends, and the folder that `mien prepare` reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mien.core.errors import ConfigError, DataError
from mien.data.datasets import find_dataset
from mien.data.synthetic import MOTIONS, SPACES, SyntheticClips, draw_motion, make_clips, write_synthetic


@pytest.fixture(scope="module")
def static() -> tuple[SyntheticClips, SyntheticClips]:
    """Training and test clips of two frames."""
    return make_clips("static", 400, 2, 24, 0), make_clips("static", 200, 2, 24, 1)


@pytest.fixture(scope="module")
def motion() -> tuple[SyntheticClips, SyntheticClips]:
    """Training and test clips of eight frames."""
    return make_clips("motion", 240, 8, 32, 0), make_clips("motion", 200, 8, 32, 1)


def probe(train: np.ndarray, test: np.ndarray, data: tuple[SyntheticClips, SyntheticClips]) -> float:
    """Accuracy on the test clips of a linear classifier of the features."""
    mean, std = train.mean(0), train.std(0) + 1e-6
    model = LogisticRegression(C=0.003, max_iter=300).fit((train - mean) / std, data[0].labels)
    return float(model.score((test - mean) / std, data[1].labels))


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def mouths(clips: SyntheticClips) -> np.ndarray:
    """The frames around the mouth, where a smile is."""
    return clips.images[:, :, :, 18:27, 8:24].mean(2)


def test_a_static_expression_is_visible_in_the_mean_frame(static: tuple[SyntheticClips, SyntheticClips]) -> None:
    assert probe(*(flat(clips.images.mean((1, 2))) for clips in static), static) > 0.55  # chance is 0.2
    assert probe(*(flat(clips.images[:, 0].mean(1)) for clips in static), static) > 0.55


def test_motion_is_at_chance_for_whatever_averages_over_frames(motion: tuple[SyntheticClips, SyntheticClips]) -> None:
    # 200 clips of 4 classes: three standard deviations are 0.09.
    assert probe(*(flat(clips.images.mean((1, 2))) for clips in motion), motion) < 0.25 + 0.09
    assert probe(*(np.sort(flat(clips.images.std((2, 3, 4))), 1) for clips in motion), motion) < 0.25 + 0.09


def test_motion_is_visible_in_the_order(motion: tuple[SyntheticClips, SyntheticClips]) -> None:
    steps = [flat(np.diff(mouths(clips)[:, [0, 3, 4, 7]], axis=1)) for clips in motion]
    assert probe(*steps, motion) > 0.8


@pytest.mark.parametrize("frames", [4, 5, 8, 16])
def test_the_four_motions_are_orders_of_the_same_frames(frames: int) -> None:
    drawn = [draw_motion(k, frames, 32, np.random.default_rng(7)) for k in range(4)]
    orders = []
    for clip in drawn:
        order = [next(j for j, frame in enumerate(drawn[0]) if np.array_equal(frame, one)) for one in clip]
        assert sorted(order) == list(range(frames))
        orders.append(order)
    growing, fading, passing, returning = orders
    assert growing == list(range(frames))
    assert fading == growing[::-1]
    top, low = passing.index(frames - 1), returning.index(0)
    assert passing[: top + 1] == sorted(passing[: top + 1])
    assert passing[top:] == sorted(passing[top:], reverse=True)
    assert returning[: low + 1] == sorted(returning[: low + 1], reverse=True)
    assert returning[low:] == sorted(returning[low:])
    assert 0 < top < frames - 1
    assert 0 < low < frames - 1
    assert len(MOTIONS) == 4


def test_a_seed_repeats_and_more_clips_begin_with_the_fewer() -> None:
    first, again, other = (make_clips("motion", 6, 4, 32, seed) for seed in (0, 0, 1))
    more = make_clips("motion", 9, 4, 32, 0)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.images, more.images[:6])
    assert np.array_equal(first.labels, more.labels[:6])
    assert not np.array_equal(first.images, other.images)


@pytest.mark.parametrize("kind", ["static", "motion"])
def test_classes_are_balanced_and_in_no_order(kind: str) -> None:
    clips = make_clips(kind, 40, 4, 16, 2)  # type: ignore[arg-type]
    classes = len(clips.space)
    assert clips.images.shape == (40, 4, 3, 16, 16)
    assert clips.images.dtype == np.uint8
    assert (np.bincount(clips.labels) == 40 // classes).all()
    assert (np.diff(clips.labels) % classes == 1).mean() < 0.6
    np.testing.assert_array_equal(clips.targets, np.eye(classes)[clips.labels])


def test_every_clip_shows_another_person() -> None:
    clips = make_clips("static", 30, 1, 24, 0)
    corners = clips.images[:, 0, :, :3, :3].mean((2, 3))
    apart = np.abs(corners[:, None] - corners[None]).max(2)[np.triu_indices(30, 1)]
    assert (apart > 5).mean() > 0.95


def test_a_person_stays_and_only_moves_a_little() -> None:
    clips = make_clips("static", 20, 6, 48, 0).images.astype(float)
    within = np.abs(np.diff(clips, axis=1)).mean((1, 2, 3, 4))
    between = np.abs(np.diff(clips[:, 0], axis=0)).mean((1, 2, 3))
    assert within.max() < between.min()
    assert within.min() > 0.5  # noise and movement: no frame is a copy


def test_ambiguous_clips_are_blends_with_one_of_two_labels() -> None:
    clips = make_clips("static", 300, 1, 16, 0, ambiguous=0.4)
    blended = clips.targets.max(1) < 1
    assert blended.mean() == pytest.approx(0.4, abs=0.09)
    np.testing.assert_allclose(clips.targets.sum(1), 1, atol=1e-6)
    assert (clips.targets[blended].max(1) <= 0.6501).all()
    assert ((clips.targets > 0).sum(1) == np.where(blended, 2, 1)).all()
    given = clips.targets[np.arange(300), clips.labels]
    assert (given > 0).all()
    wrong = clips.labels[blended] != clips.targets[blended].argmax(1)
    assert wrong.mean() == pytest.approx(0.5, abs=0.15)
    assert (clips.labels[~blended] == clips.targets[~blended].argmax(1)).all()
    plain = make_clips("static", 300, 1, 16, 0)
    assert np.array_equal(plain.images[~blended], clips.images[~blended])
    assert not np.array_equal(plain.images[blended], clips.images[blended])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("smiling", {}),
        ("motion", {"frames": 3}),
        ("motion", {"ambiguous": 0.5}),
        ("static", {"ambiguous": 1.5}),
        ("static", {"size": 8}),
        ("static", {"frames": 0}),
    ],
)
def test_settings_out_of_range_are_refused(kind: str, wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        make_clips(kind, 4, **wrong)  # type: ignore[arg-type]


def test_a_written_set_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    write_synthetic(tmp_path, "static", 10, 3, 5, frames=2, size=24, seed=4, ambiguous=1.0)
    manifest = find_dataset("synthetic").read(tmp_path)
    assert manifest.labels == SPACES["static"]
    assert [len(manifest.select(split)) for split in ("train", "valid", "test")] == [10, 3, 5]
    clips = make_clips("static", 10, 2, 24, 12, ambiguous=1.0)
    train = manifest.select("train")
    assert np.array_equal(train.indices(), clips.labels)
    for row, images in zip(train.rows, clips.images, strict=True):
        assert row.kind == "frames"
        files = sorted((tmp_path / row.path).iterdir())
        pictures = [cv2.imread(str(file))[..., ::-1].transpose(2, 0, 1) for file in files]
        assert np.array_equal(np.stack(pictures), images)
    # The true blend is no label: training must not see it.
    assert set(train.targets().max(1)) == {1.0}
    assert any("blend" in note for note in manifest.notes)
    assert not list(tmp_path.rglob(".*"))


def test_splits_show_different_people_and_single_frames_are_images(tmp_path: Path) -> None:
    write_synthetic(tmp_path, "static", 2, 2, 2, frames=1, size=16)
    manifest = find_dataset("synthetic").read(tmp_path)
    assert {row.kind for row in manifest.rows} == {"image"}
    pictures = {(tmp_path / row.path).read_bytes() for row in manifest.rows}
    assert len(pictures) == 6


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"items\.csv"):
        find_dataset("synthetic").read(tmp_path)
    write_synthetic(tmp_path, "static", 1, 0, 1, frames=1, size=16)
    (tmp_path / "items.csv").write_text("id,split,label,mixture\na,train,bored,1\n")
    with pytest.raises(DataError, match="bored"):
        find_dataset("synthetic").read(tmp_path)
