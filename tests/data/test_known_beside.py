"""What a set says of its items beside the label: read, checked, kept, and prepared."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli.main import main
from mien.core.errors import DataError
from mien.core.signals import Signal
from mien.data.beside import parse_numbers
from mien.data.datasets import find_dataset
from mien.data.manifest import load_manifest

AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0)
GLASSES = Signal("glasses", ("none", "worn"), "classes")
DECLARED = [
    {"name": "affect", "kind": "scale", "labels": ["valence", "arousal"], "range": [-1, 1]},
    {"name": "states", "kind": "flags", "labels": ["excited"]},
    {"name": "glasses", "kind": "classes", "labels": ["none", "worn"]},
]
TABLE = """path,affect.valence,affect.arousal,states.excited,glasses
train/joy/0.png,0.5,-0.25,1,worn
train/joy/1.png,,,0,
test/calm/0.png,-1,,,none
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("joy", "calm"):
            folder = tmp_path / "release" / split / label
            folder.mkdir(parents=True)
            for number in range(2):
                cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (32, 32, 3)).astype(np.uint8))
    root = tmp_path / "release"
    (root / "signals.json").write_text(json.dumps(DECLARED))
    (root / "signals.csv").write_text(TABLE)
    return root


def test_a_set_of_folders_says_what_its_table_says(release: Path, tmp_path: Path) -> None:
    assert main(["prepare", "folder", str(release), "-o", str(tmp_path / "set"), "--no-crop"]) == 0
    rows = load_manifest(tmp_path / "set")
    assert [one.name for one in rows.signals] == ["affect", "states", "glasses"]
    known = {row.id: numbers.tolist() for row, numbers in zip(rows.rows, rows.beside(), strict=True)}
    assert known["train/joy/0.png"] == [0.5, -0.25, 1, 0, 1]
    np.testing.assert_array_equal(known["train/joy/1.png"], [math.nan, math.nan, 0, math.nan, math.nan])
    np.testing.assert_array_equal(known["test/calm/0.png"], [-1, math.nan, math.nan, 1, 0])
    assert np.isnan(known["train/calm/0.png"]).all()
    assert "affect: known of 2 of 8 items" in rows.notes
    head = (tmp_path / "set" / "manifest.csv").read_text().splitlines()[0]
    assert head.endswith(",votes,affect.valence,affect.arousal,states.excited,glasses.none,glasses.worn")
    again = tmp_path / "again"
    rows.select("train").save(again)
    np.testing.assert_array_equal(load_manifest(again).beside(), rows.select("train").beside())


def test_a_set_without_a_table_is_as_it_was(release: Path, tmp_path: Path) -> None:
    for name in ("signals.json", "signals.csv"):
        (release / name).unlink()
    plain = find_dataset("folder").read(release)
    assert plain.signals == ()
    plain.save(tmp_path / "set")
    assert "signals" not in json.loads((tmp_path / "set" / "set.json").read_text())
    assert load_manifest(tmp_path / "set").beside().shape == (8, 0)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("0.5,-0.25", "1.5,-0.25", "outside -1 to 1"),
        ("0.5,-0.25", "nan,-0.25", "outside -1 to 1"),
        ("0.5,-0.25", "much,-0.25", "could not convert"),
        ("worn", "sunglasses", "instead of none, worn"),
        ("affect.valence", "valence", "columns of no signal"),
        ("train/joy/1.png", "train/joy/9.png", "no item"),
        ("train/joy/1.png", "train/joy/0.png", "comes twice"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(release: Path, was: str, now: str, told: str) -> None:
    (release / "signals.csv").write_text(TABLE.replace(was, now, 1))
    with pytest.raises(DataError, match=told):
        find_dataset("folder").read(release)


@pytest.mark.parametrize(
    "declared",
    ["[", "{}", "[]", '[{"name": "affect"}]', '[{"name": "race", "kind": "classes", "labels": ["a", "b"]}]', "[3]"],
)
def test_signals_that_are_none_are_refused(release: Path, declared: str) -> None:
    (release / "signals.json").write_text(declared)
    with pytest.raises(DataError, match=r"signals\.json"):
        find_dataset("folder").read(release)


def test_one_file_without_the_other_is_refused(release: Path) -> None:
    (release / "signals.json").unlink()
    with pytest.raises(DataError, match=r"signals\.json"):
        find_dataset("folder").read(release)
    (release / "signals.json").write_text(json.dumps(DECLARED))
    (release / "signals.csv").unlink()
    with pytest.raises(DataError, match=r"signals\.csv"):
        find_dataset("folder").read(release)


def test_shares_of_classes_sum_to_one_and_a_spoilt_manifest_is_refused(release: Path, tmp_path: Path) -> None:
    assert parse_numbers({"glasses.none": "0.25", "glasses.worn": ".75"}, [GLASSES]) == (0.25, 0.75)
    assert parse_numbers({"affect.arousal": " "}, [AFFECT])[0] != 0
    for cells in ({"glasses.none": "0.5", "glasses.worn": "0.1"}, {"glasses.none": "1"}):
        with pytest.raises(ValueError, match="sum to 1"):
            parse_numbers(cells, [GLASSES])
    rows = find_dataset("folder").read(release)
    replace(rows, crop_size=32).save(tmp_path / "set")
    table = tmp_path / "set" / "manifest.csv"
    table.write_text(table.read_text().replace(",0.5,-0.25,", ",0.5,-7,"))
    with pytest.raises(DataError, match=r"line \d+: affect.arousal '-7' outside"):
        load_manifest(tmp_path / "set")
