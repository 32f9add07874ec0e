"""The image data sets: every layout of a release is read right, every other one refused with the ones there are."""

import shutil
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


def test_rafdb_list_from_windows_that_names_a_missing_picture(tmp_path: Path) -> None:
    path = trees.rafdb_tree(tmp_path, 1) / "EmoLabel" / "list_patition_label.txt"
    lines = [*path.read_text().splitlines(), "test_00099.jpg 4"]
    path.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    rows = read("rafdb", tmp_path)
    assert len(rows) == 15
    assert (rows.rows[0].path, rows.rows[-1].label) == ("Image/aligned/train_00001_aligned.jpg", "happiness")
    assert not (rows.root / rows.rows[-1].path).exists()  # the checks report it


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train_00001.jpg 8", r"1 to 7, got '8' for train_00001\.jpg in .*list_patition_label\.txt"),
        ("train_00001.jpg 0", "1 to 7"),
        ("valid_1.jpg 3", "train_ or test_"),
    ],
)
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


@pytest.mark.parametrize("header", [True, False])
def test_affectnet_as_its_archives_unpack(tmp_path: Path, header: bool) -> None:
    trees.affectnet_tree(tmp_path, 1)
    (tmp_path / "Manually_Annotated").mkdir()
    (tmp_path / "Manually_Annotated_Images").rename(tmp_path / "Manually_Annotated" / "Manually_Annotated_Images")
    if header:
        (tmp_path / "validation.csv").rename(tmp_path / "validation_with_header.csv")
    rows = read("affectnet7", tmp_path)
    assert evenly(rows, 1)
    assert all((rows.root / row.path).is_file() for row in rows.rows)


def test_affectnet_pictures_that_are_missing_are_left_to_the_checks(tmp_path: Path) -> None:
    lists = trees.affectnet_tree(tmp_path / "lists", 1)
    shutil.rmtree(lists / "Manually_Annotated_Images" / "0")
    pack = trees.affectnet_pack_tree(tmp_path / "pack", 1)
    (pack / "train_set" / "images" / "0.jpg").unlink()
    assert evenly(read("affectnet8", lists), 1)
    assert evenly(read("affectnet8", pack), 1)


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
    with pytest.raises(DataError, match=r"1/a\.jpg, 3 in .*line 1"):
        read("affectnet7", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"1/\xe9.jpg,0,0,1,1,1,2,0,0\n", r"UTF-8.*training\.csv"),
        (b"subDirectory_filePath,expression,a,b,c,d,e,f,g\n", "line 1"),
    ],
)
def test_affectnet_lists_that_were_changed_are_refused(tmp_path: Path, text: bytes, said: str) -> None:
    trees.affectnet_tree(tmp_path, 1)
    (tmp_path / "training.csv").write_bytes(text)
    with pytest.raises(DataError, match=said):
        read("affectnet7", tmp_path)


@pytest.mark.parametrize("value", [b"", b"\x93NUMPY"])
def test_affectnet_annotations_that_are_torn_are_named(tmp_path: Path, value: bytes) -> None:
    trees.affectnet_pack_tree(tmp_path, 1)
    (tmp_path / "val_set" / "annotations" / "8_exp.npy").write_bytes(value)
    with pytest.raises(DataError, match=r"8_exp\.npy"):
        read("affectnet8", tmp_path)


def test_affectnet_without_a_single_expression_is_refused(tmp_path: Path) -> None:
    for split in ("train_set", "val_set"):
        (tmp_path / split / "annotations").mkdir(parents=True)
    with pytest.raises(DataError, match="none in"):
        read("affectnet8", tmp_path)


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


def test_ferplus_rows_have_the_names_of_the_release(tmp_path: Path) -> None:
    """A picture without a name comes before the second split: its names lag behind the rows from there on."""
    rows = read("ferplus", trees.ferplus_csv_tree(tmp_path, 1)).select("valid").rows
    assert (rows[0].id, rows[0].path) == ("fer0000009", "fer2013.csv#pixels/10")


def test_ferplus_leaves_out_pictures_without_a_name(tmp_path: Path) -> None:
    votes = trees.ferplus_csv_tree(tmp_path, 1) / "fer2013new.csv"
    votes.write_text(votes.read_text().replace("fer0000000.png", ""))
    rows = read("ferplus", tmp_path)
    assert counts(rows)["valid", "neutral"] == 1
    assert ("train", "neutral") not in counts(rows)


@pytest.mark.parametrize("kind", ["torn", "empty", "another file", "torn inside", "eight columns", "floats"])
def test_archives_that_are_none_are_refused(tmp_path: Path, kind: str) -> None:
    path = trees.ferplus_npz(tmp_path, 1)
    whole, parts = path.read_bytes(), dict(np.load(path))
    if kind == "torn inside":
        np.savez_compressed(path, **parts)
        inside = bytearray(path.read_bytes())
        start = inside.find(b"train_votes.npy") + 40
        inside[start : start + 20] = b"\xff" * 20
        path.write_bytes(inside)
    elif kind in ("eight columns", "floats"):
        votes = parts["train_votes"]
        np.savez(path, **parts | {"train_votes": votes[:, :8] if kind == "eight columns" else votes / 10})
    else:
        path.write_bytes({"torn": whole[:500], "empty": b"", "another file": b"\x93NUMPY" + whole[:500]}[kind])
    with pytest.raises(DataError, match=r"ferplus_48\.npz"):
        read("ferplus", path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("0,8,", "0,80,"), "line 3"),
        (("0,8,", "0,-8,"), "line 3"),
        (("sadness,anger", "anger,sadness"), "sadness, anger"),
    ],
)
def test_ferplus_votes_that_were_changed_are_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    votes = trees.ferplus_csv_tree(tmp_path, 1) / "fer2013new.csv"
    assert change[0] in votes.read_text()
    votes.write_text(votes.read_text().replace(*change, 1))
    with pytest.raises(DataError, match=said):
        read("ferplus", tmp_path)


def test_ferplus_tables_in_another_order_are_refused(tmp_path: Path) -> None:
    """Images have no names in fer2013.csv: sorted anew, every one would get the votes of another."""
    pixels = trees.ferplus_csv_tree(tmp_path, 1) / "fer2013.csv"
    header, *lines = pixels.read_text().splitlines()
    pixels.write_text("\n".join([header, *lines[::-1]]) + "\n")
    with pytest.raises(DataError, match="row 0 in PrivateTest and in Training"):
        read("ferplus", tmp_path)


@pytest.mark.parametrize("end", ["\r\n", "\n\n"])
def test_ferplus_pixels_in_quotes_whatever_the_line_ends(tmp_path: Path, end: str) -> None:
    path = trees.ferplus_csv_tree(tmp_path, 1) / "fer2013.csv"
    header, *lines = path.read_text().splitlines()
    quoted = ['{},"{}","{}"'.format(*line.split(",")) for line in lines]
    path.write_bytes(end.join(["\ufeff" + header, *quoted]).encode())
    rows = read("ferplus", tmp_path).select("train")
    for row, image in zip(rows.rows, trees.ferplus_images(1, 0)[:8], strict=True):
        assert (read_clip(rows, row) == image).all()


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


def test_folders_hold_images_videos_and_frame_folders_side_by_side(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a.JPG", "b.jpeg", "c/0.png"):
            trees.save(tmp_path / split / "joy" / name, 0, 0, 16)
        trees.save(tmp_path / split / "sad" / "a.png", 1, 0, 16)
        (tmp_path / split / "sad" / "clip.MP4").write_bytes(b"never opened here")
    rows = read("folder", tmp_path).select("train").rows
    assert [(row.path, row.kind) for row in rows] == [
        ("train/joy/a.JPG", "image"),
        ("train/joy/b.jpeg", "image"),
        ("train/joy/c", "frames"),
        ("train/sad/a.png", "image"),
        ("train/sad/clip.MP4", "video"),
    ]


@pytest.mark.parametrize("absent", ["train", "test"])
def test_folders_need_train_and_test(tmp_path: Path, absent: str) -> None:
    shutil.rmtree(trees.folder_tree(tmp_path) / absent)
    with pytest.raises(DataError, match=r"test/<class>"):
        read("folder", tmp_path)


def test_folders_of_one_class_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        trees.save(tmp_path / split / "joy" / "a.png", 0, 0, 16)
    with pytest.raises(DataError, match="two classes"):
        read("folder", tmp_path)


def test_classes_that_a_split_tells_apart_stay_apart(tmp_path: Path) -> None:
    """``calm`` is an alias of ``neutral``: beside it, it is a class of its own; another word for joy is not."""
    for split, joy in (("train", "Happy"), ("test", "joy")):
        for name in ("Calm", "neutral", joy):
            trees.save(tmp_path / split / name / "a.png", 0, 0, 16)
    rows = read("folder", tmp_path)
    assert rows.labels.labels == ("calm", "happiness", "neutral")
    assert evenly(rows, 1)


def test_two_folders_of_one_split_are_both_read(tmp_path: Path) -> None:
    trees.folder_tree(tmp_path, 1)
    trees.save(tmp_path / "validation" / "Happy" / "more.png", 0, 0, 16)
    assert counts(read("folder", tmp_path))["valid", "happiness"] == 2
    if not (tmp_path / "Train").exists():  # a file system that tells capitals apart
        trees.save(tmp_path / "Train" / "sadness" / "more.png", 0, 0, 16)
        assert counts(read("folder", tmp_path))["train", "sadness"] == 2


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
