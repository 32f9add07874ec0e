"""``mien prepare``: tables on stdout, progress and warnings on stderr, exit codes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.labels import LabelSpace
from mien.data import datasets
from mien.data.datasets import DataSet
from mien.data.manifest import Manifest, Row, load_manifest

LABELS = LabelSpace("two", ("happiness", "sadness"))


@pytest.fixture
def raw(tmp_path: Path, portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release called ``own``: a face in train, another picture in test, and one that is missing."""
    folder = tmp_path / "raw"
    folder.mkdir()
    cv2.imwrite(str(folder / "face.png"), portrait[20:220, 120:320, ::-1])
    cv2.imwrite(str(folder / "wall.png"), portrait[300:400, 400:500, ::-1])
    rows = (
        Row("face", "face.png", "image", "happiness", "train"),
        Row("wall", "wall.png", "image", "sadness", "test"),
        Row("gone", "gone.png", "image", "sadness", "test"),
    )

    def read(root: Path) -> Manifest:
        return Manifest("own", LABELS, rows, root, notes=("labels are words",))

    own = DataSet("own", LABELS, read, {0: {"train": 3, "test": 2}})
    monkeypatch.setitem(datasets.DATASETS._items, "own", {"own": own})  # type: ignore[attr-defined]
    monkeypatch.setattr("mien.data.prepare.find_dataset", lambda name: own if name == "own" else find(name))
    return folder


find = datasets.find_dataset


def test_what_was_found_and_made(mien, raw: Path, tmp_path: Path) -> None:
    ran = mien("prepare", "own", raw, "-o", tmp_path / "out", "--size", 64, "--workers", 1)
    assert ran.code == 0
    for words in (
        "labels are words",
        "train",
        "missing",
        "gone (no file at",
        "1 of 2 items cropped; no face in 1",
        "-2",
    ):
        assert words in ran.out
    assert "serious: 1 missing" in ran.err
    assert "check: 3 items" in ran.err
    made = load_manifest(tmp_path / "out")
    assert [(row.id, row.path) for row in made.rows] == [("face", "crops/face.jpg")]
    assert made.crop_size == 64


def test_the_report_as_json(mien, raw: Path, tmp_path: Path) -> None:
    ran = mien("prepare", "own", raw, "-o", tmp_path / "out", "--no-crop", "--json", "--workers", 1)
    (report,) = ran.lines
    assert ran.code == 0
    assert report["checks"]["problems"]["missing"][0]["items"] == ["gone"]
    assert report["prepared"]["rows"] == 2
    assert report["checks"]["counts"][0] == {
        "fold": 0,
        "split": "train",
        "label": "",
        "found": 1,
        "published": 3,
        "difference": -2,
    }


def test_labels_of_many_folds_are_left_to_the_report(mien, raw: Path, tmp_path: Path, monkeypatch) -> None:
    rows = tuple(
        Row("face", "face.png", "image", "sadness", "test" if fold == 1 else "train", fold) for fold in range(1, 7)
    )
    folds = DataSet("own", LABELS, lambda root: Manifest("own", LABELS, rows, root))
    monkeypatch.setattr("mien.data.prepare.find_dataset", lambda name: folds)
    ran = mien("prepare", "own", raw, "-o", tmp_path / "out", "--no-crop", "--workers", 1)
    assert ran.code == 0
    assert f"labels of every fold and split: {tmp_path / 'out' / 'report.md'}" in ran.out
    assert "| sadness |" in (tmp_path / "out" / "report.md").read_text()


def test_checks_only_and_strict(mien, raw: Path, tmp_path: Path) -> None:
    for flag, code in (("--check-only", 0), ("--strict", 1)):
        ran = mien("prepare", "own", raw, "-o", tmp_path / flag, flag, "--workers", 1)
        assert ran.code == code
        assert "checks.json" in ran.err
        assert sorted(path.name for path in (tmp_path / flag).iterdir()) == ["checks.json", "checks.md"]


def test_mistakes_are_one_line(mien, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, arguments in {
        "did you mean dfew": ("dfw", raw, "-o", out),
        "one of these layouts": ("dfew", raw, "-o", out),
        "--crop or --no-crop": ("own", raw, "-o", out, "--crop", "--no-crop"),
        "224": ("own", raw, "-o", out, "--size", 3),
        "at least 1 worker": ("own", raw, "-o", out, "--workers", 0),
        "folder of its own": ("own", raw, "-o", raw),
    }.items():
        ran = mien("prepare", *arguments)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.count("\n") == 1
        assert words in ran.err
        assert not list(out.glob("*"))


def test_ctrl_c_says_how_to_go_on(mien, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.data.prepare._cropped", stop)
    ran = mien("prepare", "own", raw, "-o", tmp_path / "out", "--workers", 1)
    assert (ran.code, ran.out) == (130, "")
    assert "the same command goes on" in ran.err
