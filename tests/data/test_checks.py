"""The checks find what was planted, and nothing in a sound copy; the same with one process and with two."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from raw_sets import LABELS, blobs, release, save

from mien.data.checks import KINDS, CheckUp, check
from mien.data.hashes import NEAR, near_pairs, perceptual_hash, thumbnail
from mien.data.manifest import Manifest, Row
from mien.media import VideoWriter


def image(name: str, split: str = "train", label: str = "sadness", fold: int = 0, subject: str = "") -> Row:
    return Row(name, f"{name}.png", "image", label, split, fold, subject)  # type: ignore[arg-type]


def checked(root: Path, rows: list[Row], workers: int = 1, **published: int) -> CheckUp:
    """CheckUp on rows; pictures that are not there yet are made, each of its own."""
    for seed, path in enumerate(sorted({row.path for row in rows if row.kind == "image"})):
        if not (root / path).exists() and "gone" not in path:
            save(root / path, blobs(seed))
    dataset = release(rows, {0: published} if published else None)
    return check(dataset.read(root), dataset, workers)


def kinds(findings: CheckUp) -> dict[str, list[tuple[str, ...]]]:
    return {kind: [problem.items for problem in findings.of(kind)] for kind in KINDS if findings.of(kind)}


def test_a_sound_copy_has_no_problems(tmp_path: Path) -> None:
    rows = [image(f"{split}{n}", split) for split in ("train", "valid", "test") for n in range(20)]
    findings = checked(tmp_path, rows, train=20, valid=20, test=20)
    assert not findings.problems
    assert not findings.serious
    assert [count.difference for count in findings.counts if not count.label] == [0, 0, 0]


def test_counts_are_held_against_the_paper(tmp_path: Path) -> None:
    rows = [image("a"), image("b", label="happiness"), image("c", "test")]
    dataset = dataclasses.replace(
        release(rows, {0: {"train": 5, "test": 1}, 1: {"test": 2}}), published_classes={(0, "train"): {"sadness": 1}}
    )
    checked(tmp_path, rows)
    findings = check(dataset.read(tmp_path), dataset)
    found = {(one.fold, one.split, one.label): (one.found, one.published, one.difference) for one in findings.counts}
    assert found[0, "train", ""] == (2, 5, -3)
    assert found[0, "test", ""] == (1, 1, 0)
    assert found[1, "test", ""] == (0, 2, -2)
    assert found[0, "train", "sadness"] == (1, 1, 0)
    assert found[0, "train", "happiness"] == (1, None, None)
    assert "|  | train | 2 | 5 | -3 |" in findings.to_markdown()
    assert not findings.problems


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    rows = [
        *[
            image("well"),
            image("gone"),
            image("text"),
            image("torn"),
            Row("bare", "bare", "frames", "sadness", "train"),
        ],
        *[Row("none", "none", "frames", "sadness", "test"), Row("film", "film.mp4", "video", "sadness", "test")],
        *[Row("npz", "a.npz#x/0", "array", "sadness", "test"), Row("row", "b.npz#x/9", "array", "sadness", "test")],
        image("blank", label=""),
    ]
    for name in ("text.png", "film.mp4"):
        (tmp_path / name).write_text("not what my name says")
    save(tmp_path / "torn.png", blobs(3))
    (tmp_path / "torn.png").write_bytes((tmp_path / "torn.png").read_bytes()[:500])
    (tmp_path / "bare").mkdir()
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 8, 8), np.uint8))
    findings = checked(tmp_path, rows)
    assert kinds(findings) == {
        "missing": [("gone",), ("none",), ("npz",)],
        "empty": [("bare",)],
        "unreadable": [("text",), ("torn",), ("film",), ("row",)],
        "unlabelled": [("blank",)],
    }
    assert findings.serious
    assert [row.id for row in rows if findings.usable(row)] == ["well", "blank"]
    assert "gone.png" in findings.of("missing")[0].detail


def test_the_same_picture_in_two_splits(tmp_path: Path, portrait: np.ndarray) -> None:
    save(tmp_path / "one.png", portrait)
    save(tmp_path / "copy.png", portrait)
    cv2.imwrite(
        str(tmp_path / "again.jpg"), cv2.resize(portrait, (200, 200))[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60]
    )
    again = Row("again", "again.jpg", "image", "happiness", "test")
    findings = checked(tmp_path, [image("one"), image("copy", "test"), again, *(image(f"x{n}") for n in range(30))])
    assert kinds(findings)["leak"] == [("one", "copy")]
    assert kinds(findings)["near leak"] == [("one", "copy", "again")]
    assert findings.of("near leak")[0].detail == "train and test, as sadness and happiness"
    assert findings.serious


def test_doubles_within_a_split_matter_only_with_two_labels(tmp_path: Path, portrait: np.ndarray) -> None:
    for name in ("one", "two", "three"):
        save(tmp_path / f"{name}.png", portrait)
    assert not checked(tmp_path, [image("one"), image("two")]).problems
    findings = checked(tmp_path, [image("one"), image("two"), image("three", label="happiness")])
    assert kinds(findings) == {"contradiction": [("one", "two", "three")]}
    assert not findings.serious


def test_folds_may_share_what_splits_may_not(tmp_path: Path) -> None:
    names = [f"x{n}" for n in range(6)]
    proper = [
        image(name, "test" if n % 2 == fold - 1 else "train", fold=fold)
        for fold in (1, 2)
        for n, name in enumerate(names)
    ]
    assert not checked(tmp_path, proper).problems
    twice = [dataclasses.replace(row, split="test") if row.id == "x0" else row for row in proper]
    assert kinds(checked(tmp_path, twice)) == {"tested twice": [("x0",)]}
    shutil.copy(tmp_path / "x0.png", tmp_path / "x1.png")  # tested by fold 1, trained on by fold 1 as x1
    findings = checked(tmp_path, proper)
    assert kinds(findings) == {"leak": [("x0", "x1")]}
    assert findings.of("leak")[0].detail == "fold 1: train and test; fold 2: train and test"


def test_persons_and_ids(tmp_path: Path) -> None:
    rows = [
        *[image("a", "train", subject="Ann"), image("b", "test", subject="Ann"), image("c", "test", subject="Bob")],
        *[image("d", "train"), image("e", "test"), image("a2", "train", subject="Cem"), image("a3", subject="Cem")],
    ]
    assert kinds(checked(tmp_path, rows)) == {"subject leak": [("Ann",)]}
    rows = [
        image("a"),
        dataclasses.replace(image("b"), id="a"),
        image("c", fold=1),
        dataclasses.replace(image("d"), id="c"),
    ]
    assert kinds(checked(tmp_path, rows)) == {"repeated id": [("a",)]}


def test_clips_are_compared_by_three_frames(tmp_path: Path) -> None:
    for name, seeds in {"a": (1, 2, 3), "b": (1, 2, 3), "c": (1, 2, 9)}.items():
        for number, seed in enumerate(seeds):
            save(tmp_path / name / f"{number}.jpg", blobs(seed), quality=95 if name == "a" else 75)
    with VideoWriter(tmp_path / "film.mp4", 64, 64, 25) as writer:
        for number, seed in enumerate((1, 2, 3)):
            writer.write(blobs(seed), number / 25)
    clips = [Row(name, name, "frames", "sadness", "train" if name == "a" else "test") for name in "abc"]
    film = Row("film", "film.mp4", "video", "sadness", "test")
    findings = checked(tmp_path, [*clips, film])
    assert kinds(findings) == {"near leak": [("a", "b"), ("a", "film")]}


def test_two_processes_find_the_same(tmp_path: Path, portrait: np.ndarray) -> None:
    save(tmp_path / "x3.png", portrait)
    save(tmp_path / "x4.png", portrait)
    rows = [image(f"x{n}", "test" if n % 2 else "train", subject=str(n // 3)) for n in range(40)] + [image("gone")]
    one, two = checked(tmp_path, rows), checked(tmp_path, rows, workers=2)
    assert one.of("leak")
    assert one.to_dict() == two.to_dict()
    assert one.to_markdown() == two.to_markdown()


def test_near_pairs_are_those_of_a_search_over_all() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, (400, 1), dtype=np.uint64)
    thumbs = rng.integers(0, 256, (400, 1, 16, 16)).astype(np.uint8)
    for item in range(0, 200, 2):  # the next item is the same picture, but for up to NEAR + 1 bits
        flips = rng.choice(64, item % (NEAR + 2), replace=False)
        hashes[item + 1] = hashes[item] ^ np.bitwise_or.reduce(
            np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0)
        )
        thumbs[item + 1] = thumbs[item]
    groups = rng.integers(0, 3, 400)
    distance = np.bitwise_count(hashes[:, 0, None] ^ hashes[None, :, 0])
    wanted = [
        (int(a), int(b))
        for a, b in np.argwhere(np.triu(distance <= NEAR, 1))
        if groups[a] != groups[b] and np.array_equal(thumbs[a], thumbs[b])
    ]
    assert len(wanted) > 30
    assert near_pairs(hashes, thumbs, groups) == wanted


def test_many_items_are_no_problem() -> None:
    rng = np.random.default_rng(0)
    n = 60_000
    hashes = rng.integers(0, 2**63, (n, 1), dtype=np.uint64)
    thumbs = rng.integers(0, 256, (n, 1, 16, 16), dtype=np.uint8)
    hashes[n - 1], thumbs[n - 1] = hashes[0] ^ np.uint64(9), thumbs[0]
    assert near_pairs(hashes, thumbs, np.arange(n) % 2) == [(0, n - 1)]


def test_flat_pictures_are_like_nothing() -> None:
    flat = np.stack([np.full((3, 32, 32), level, np.uint8) for level in (0, 1, 0)])
    hashes = np.array([[perceptual_hash(image)] for image in flat], np.uint64)
    thumbs = np.stack([thumbnail(image) for image in flat])[:, None]
    assert near_pairs(hashes, thumbs, np.arange(3)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_hash_survives_saving_and_scaling(portrait: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = rng.integers(0, 200, 2)
    part = portrait[y : y + 300, x : x + 300]
    small = cv2.resize(part, (120, 120), interpolation=cv2.INTER_AREA)
    saved = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    one, other, strange = (perceptual_hash(one.transpose(2, 0, 1)) for one in (part, saved, np.rot90(part)))
    assert (one ^ other).bit_count() <= NEAR
    assert (one ^ strange).bit_count() > 12


def test_an_empty_list() -> None:
    dataset = release([])
    findings = check(Manifest("own", LABELS, (), Path()), dataset)
    assert (findings.items, findings.problems, findings.serious) == (0, (), False)
