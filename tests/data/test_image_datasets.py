"""The image data sets: every layout of a release is read right, every other one refused with the ones there are."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trees

from mien.core.errors import DataError
from mien.data.datasets import find_dataset
from mien.data.ferplus import read_ferplus
from mien.data.manifest import Manifest
from mien.data.pixels import read_clip


def read(name: str, place: Path) -> Manifest:
    return find_dataset(name).read(place)


def counts(manifest: Manifest) -> dict[tuple[str, str], int]:
    return dict(Counter((row.split, row.label) for row in manifest.rows))


def evenly(manifest: Manifest, per_class: int, splits: tuple[str, ...] = ("train", "test")) -> bool:
    return counts(manifest) == {(split, label): per_class for split in splits for label in manifest.labels.labels}


def test_rafdb(tmp_path: Path) -> None:
    rows = read("rafdb", trees.rafdb_tree(tmp_path, 2))
    assert evenly(rows, 2)
    assert [row.label for row in rows.rows[:3]] == ["surprise", "fear", "disgust"]
    assert all((rows.root / row.path).is_file() for row in rows.rows)


def test_rafdb_in_its_folder_and_without_aligned_crops(tmp_path: Path) -> None:
    trees.rafdb_tree(tmp_path / "basic", 1)
    (tmp_path / "basic" / "Image" / "aligned").rename(tmp_path / "basic" / "Image" / "other")
    rows = read("rafdb", tmp_path)
    assert rows.rows[0].path == "Image/original/train_00001.jpg"  # listed, and reported as missing by the checks
    assert "whole pictures" in rows.notes[0]


@pytest.mark.parametrize(("line", "said"), [("train_00001.jpg 8", "1 to 7"), ("valid_1.jpg 3", "train_ or test_")])
def test_rafdb_lists_with_mistakes(tmp_path: Path, line: str, said: str) -> None:
    trees.rafdb_tree(tmp_path, 1)
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text(f"{line}\n")
    with pytest.raises(DataError, match=said):
        read("rafdb", tmp_path)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(("name", "classes"), [("affectnet7", 7), ("affectnet8", 8)])
def test_affectnet_as_first_released(tmp_path: Path, name: str, classes: int, header: bool) -> None:
    rows = read(name, trees.affectnet_tree(tmp_path, 2, header=header))
    assert len(rows.labels) == classes
    assert evenly(rows, 2)
    assert all((rows.root / row.path).is_file() for row in rows.rows)


def test_affectnet_lists_from_windows_in_their_own_folder(tmp_path: Path) -> None:
    trees.affectnet_tree(tmp_path, 1)
    (tmp_path / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        text = (tmp_path / name).read_text().replace("/", "\\")
        (tmp_path / "Manually_Annotated_file_lists" / name).write_text("\ufeff" + text, encoding="utf-8")
        (tmp_path / name).unlink()
    rows = read("affectnet8", tmp_path)
    assert evenly(rows, 1)
    assert all((rows.root / row.path).is_file() for row in rows.rows)


def test_affectnet_pack(tmp_path: Path) -> None:
    tree = trees.affectnet_pack_tree(tmp_path, 2)
    assert evenly(read("affectnet8", tree), 2)
    seven = read("affectnet7", tree)
    assert evenly(seven, 2)
    assert all((seven.root / row.path).is_file() for row in seven.rows)
    assert "newer pack" in seven.notes[0]


def test_affectnet_codes_out_of_range_are_named(tmp_path: Path) -> None:
    trees.affectnet_tree(tmp_path / "lists", 1)
    path = tmp_path / "lists" / "training.csv"
    path.write_text(path.read_text().replace(",3,0.1", ",12,0.1"))
    with pytest.raises(DataError, match=r"'12' in .*training\.csv, line 5"):
        read("affectnet7", tmp_path / "lists")
    trees.affectnet_pack_tree(tmp_path / "pack", 1)
    np.save(tmp_path / "pack" / "train_set" / "annotations" / "0_exp.npy", np.array("happy"))
    with pytest.raises(DataError, match=r"'happy' in .*0_exp\.npy"):
        read("affectnet7", tmp_path / "pack")


def test_affectnet_lists_with_too_few_columns_are_refused(tmp_path: Path) -> None:
    trees.affectnet_tree(tmp_path, 1)
    (tmp_path / "training.csv").write_text("1/a.jpg,3\n")
    with pytest.raises(DataError, match="line 1: 2"):
        read("affectnet7", tmp_path)


@pytest.mark.parametrize("form", ["npz", "csv", "folder with an npz"])
def test_ferplus_forms_agree_with_the_one_place_of_the_vote_rules(tmp_path: Path, form: str) -> None:
    npz = trees.ferplus_npz(tmp_path / "npz", 2)
    place = {"npz": npz, "csv": trees.ferplus_csv_tree(tmp_path / "csv", 2), "folder with an npz": npz.parent}[form]
    rows = read("ferplus", place)
    assert evenly(rows, 2, ("train", "valid", "test"))
    for split in ("train", "valid", "test"):
        expected, part = read_ferplus(npz, split), rows.select(split)
        np.testing.assert_allclose(part.targets(), expected.targets, atol=1e-6)
        assert (part.indices() == expected.labels).all()
        for row, image in zip(part.rows, expected.images, strict=True):
            assert (read_clip(part, row) == image).all()
    assert rows.rows[0].votes[:2] == pytest.approx((0.8, 0.2))


def test_a_torn_archive_is_refused(tmp_path: Path) -> None:
    npz = trees.ferplus_npz(tmp_path, 1)
    npz.write_bytes(npz.read_bytes()[:500])
    with pytest.raises(DataError, match=r"ferplus_48\.npz"):
        read("ferplus", npz)


def test_ferplus_tables_that_do_not_belong_together(tmp_path: Path) -> None:
    trees.ferplus_csv_tree(tmp_path, 1)
    votes = tmp_path / "fer2013new.csv"
    lines = votes.read_text().splitlines()
    votes.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(DataError, match="30 and 29"):
        read("ferplus", tmp_path)
    votes.write_text("\n".join([*lines[:-1], "Trial,fer.png,1,2"]) + "\n")
    with pytest.raises(DataError, match="line 31"):
        read("ferplus", tmp_path)


def test_ferplus_pixels_that_are_none(tmp_path: Path) -> None:
    rows = read("ferplus", trees.ferplus_csv_tree(tmp_path, 1))
    path = tmp_path / "fer2013.csv"
    path.write_text(path.read_text().replace("0,", "0,999 ", 1))
    with pytest.raises(DataError, match=r"row 0 of .*fer2013\.csv"):
        read_clip(rows, rows.rows[0])


@pytest.mark.parametrize("frames", [0, 3])
def test_folders(tmp_path: Path, frames: int) -> None:
    rows = read("folder", trees.folder_tree(tmp_path / "mine", 2, frames=frames))
    assert rows.labels.labels == ("boredom", "happiness", "sadness")
    assert rows.name == "mine"
    assert evenly(rows, 2, ("train", "valid", "test"))
    assert {row.kind for row in rows.rows} == {"frames" if frames else "image"}


def test_folders_without_test_are_noted_and_with_one_class_refused(tmp_path: Path) -> None:
    trees.save(tmp_path / "train" / "joy" / "a.png", 0, 0, 16)
    with pytest.raises(DataError, match="two classes"):
        read("folder", tmp_path)
    trees.save(tmp_path / "train" / "sad" / "a.png", 1, 0, 16)
    assert read("folder", tmp_path).notes == ("there is no test split",)


@pytest.mark.parametrize("name", ["rafdb", "affectnet7", "affectnet8", "ferplus", "folder"])
@pytest.mark.parametrize("there", [True, False])
def test_another_layout_is_refused_with_the_known_ones(tmp_path: Path, name: str, there: bool) -> None:
    place = tmp_path / "release"
    if there:
        (place / "stuff").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        read(name, place)
    assert all(line in str(caught.value) for line in find_dataset(name).layout)


@pytest.mark.parametrize("name", ["rafdb", "affectnet7", "affectnet8"])
def test_published_counts_add_up(name: str) -> None:
    dataset = find_dataset(name)
    for (fold, split), classes in dataset.published_classes.items():
        assert sum(classes.values()) == dataset.published[fold][split]
