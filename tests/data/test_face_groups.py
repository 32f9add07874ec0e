"""Splits by face: planted people whose colour an embedder sees, spread over the splits of a release."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli.main import main
from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.data.face_groups import apart, persons_of
from mien.data.manifest import Manifest, Row, load_manifest
from onnx_toys import mean_file

PEOPLE = 12


def colour(person: int) -> np.ndarray:
    """Hues so far apart that no two people's are alike."""
    hue = np.array([[[180 * person // PEOPLE, 255, 200]]], np.uint8)
    return cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0].astype(float)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean colour without its grey, twelve directions of a circle 30 degrees apart."""
    return mean_file(tmp_path_factory.mktemp("net") / "net.onnx", np.eye(3) - 1 / 3, np.zeros(3), 32)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of each; of every third person two of them lie in the other split."""
    folder, rng = tmp_path_factory.mktemp("release"), np.random.default_rng(0)
    for person in range(PEOPLE):
        for number in range(8):
            split = "test" if (person % 3 == 0) != (number > 5 and person % 3 == 1) else "train"
            path = folder / split / ("calm", "joy")[number % 2] / f"{person}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = colour(person) + rng.normal(0, 12, (40, 40, 3))
            cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
    return folder


def splits_of(manifest: Manifest) -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in manifest.rows:
        found[Path(row.path).name.split("-")[0]].add(row.split)
    return found


def test_nobody_is_in_two_splits_and_nothing_else_is_kept(embedder: Path, release: Path, tmp_path: Path) -> None:
    words = ["prepare", "folder", str(release), "--no-crop", "--workers", "1"]
    assert main([*words, "-o", str(tmp_path / "usual")]) == 0
    usual = load_manifest(tmp_path / "usual")
    assert sum(len(splits) > 1 for splits in splits_of(usual).values()) == 4
    net = ["--split-by-face", "--embedder-file", str(embedder), "--embedder-input", "size=32", "--same-person", "0.95"]
    assert main([*words, "-o", str(tmp_path / "apart"), *net]) == 0
    after = load_manifest(tmp_path / "apart")
    parts = json.loads((tmp_path / "apart" / "report.json").read_text())["prepared"]["parts"]
    assert sum(part["rows"] for part in parts) == len(after) == 8 * PEOPLE, "the split that was made is told too"
    splits = splits_of(after)
    assert len(splits) == PEOPLE
    assert all(len(one) == 1 for one in splits.values())
    assert {next(iter(one)) for one in splits.values()} == {"train", "valid", "test"}
    assert [splits[str(person)] for person in (1, 4, 7, 10)] != [{"test"}] * 4, "whoever was in train stays out of test"
    assert [replace(row, split="train") for row in after.rows] == [replace(row, split="train") for row in usual.rows]
    assert "12 faces" in after.notes[-1]
    assert "only where these are face crops" in after.notes[-1], "nothing was cropped"
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("apart", "usual")]
    assert files[0] == files[1]
    assert not any(row.subject for row in after.rows)


def test_a_likeness_that_takes_all_for_one_is_refused(
    embedder: Path, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", "folder", str(release), "--no-crop", "--workers", "1", "-o", str(tmp_path / "a")]
    net = ["--split-by-face", "--embedder-file", str(embedder), "--embedder-input", "size=32", "--same-person", "0.5"]
    assert main([*words, *net]) == 1
    assert "--same-person" in capsys.readouterr().err
    for alone in (["--split-by-face"], ["--embedder-file", str(embedder)]):
        assert main([*words, *alone]) == 1
        assert "say both" in capsys.readouterr().err


def test_components_reach_through_others_and_through_subjects() -> None:
    turned = np.radians([0, 20, 40, 180, 200, 90, 300])
    vectors = np.stack([np.cos(turned), np.sin(turned)], 1)
    least = np.cos(np.radians(25))
    assert persons_of(vectors, least).tolist() == [0, 0, 0, 1, 1, 2, 3]
    subjects = ["", "", "", "ann", "", "", "ann"]
    assert persons_of(vectors, least, subjects).tolist() == [0, 0, 0, 1, 1, 2, 1]
    many = np.tile(vectors, (200, 1))
    assert persons_of(many, least).tolist() == [0, 0, 0, 1, 1, 2, 3] * 200


def rows(*people: tuple[str, int, int]) -> tuple[Manifest, np.ndarray]:
    made = [Row(f"{n}", f"{n}.png", "image", "a", split, fold) for n, (split, fold, _) in enumerate(people)]
    return Manifest("made", LabelSpace("ab", ("a", "b")), tuple(made), Path(".")), np.array([one[2] for one in people])


def test_folds_are_apart_each_by_itself_and_a_split_is_not_lost() -> None:
    manifest, persons = rows(
        *(("train", 1, 0), ("valid", 1, 1), ("test", 1, 0), ("test", 1, 2)),
        *(("test", 2, 0), ("train", 2, 1), ("valid", 2, 3), ("test", 2, 3)),
    )
    found = [row.split for row in apart(manifest, persons).rows]
    assert found == ["train", "valid", "train", "test", "test", "train", "valid", "valid"]
    with pytest.raises(DataError, match="nobody left in"):
        apart(manifest, np.zeros(len(persons), np.int64))
