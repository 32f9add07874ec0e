"""Every layout and form of the video data sets is read right, and nothing else is read at all."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from video_trees import (
    FERV39K_NAMES,
    ckplus_tree,
    cremad_tree,
    dfew_tree,
    ferv39k_tree,
    mafw_tree,
    ravdess_tree,
    write_lines,
    write_video,
)

from mien.core.errors import DataError
from mien.data.datasets import find_dataset
from mien.data.datasets.mafw import parts
from mien.data.manifest import Manifest, load_manifest

VIDEO_SETS = ("dfew", "ferv39k", "mafw", "mafw-compound", "crema-d", "ravdess", "ck+")
TRAIN_1 = Path("EmoLabel_DataSplit/train(single-labeled)/set_1.csv")


def read(name: str, root: Path) -> Manifest:
    """Read and check what holds for every set: paths of the right kind, unique ids, labels of the space."""
    manifest = find_dataset(name).read(root)
    for row in manifest.rows:
        path = manifest.root / row.path
        assert path.is_dir() if row.kind == "frames" else path.is_file(), path
        assert row.kind != "frames" or any(path.iterdir())
    assert len({(row.fold, row.id) for row in manifest.rows}) == len(manifest)
    assert manifest.indices().min() >= 0
    return manifest


def labels(manifest: Manifest) -> dict[str, str]:
    return {row.id: row.label for row in manifest.rows}


# DFEW


@pytest.fixture(scope="module")
def dfew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dfew_tree(tmp_path_factory.mktemp("dfew"), per_class=1, frames=1)


@pytest.fixture
def dfew_lists(dfew: Path, tmp_path: Path) -> Path:
    """A copy whose lists may be changed."""
    shutil.copytree(dfew, tmp_path / "dfew")
    return tmp_path / "dfew"


def test_dfew_folds_and_labels(dfew: Path) -> None:
    manifest = read("dfew", dfew)
    assert manifest.folds == (1, 2, 3, 4, 5)
    for fold in manifest.folds:
        test, train = (manifest.select(split, fold) for split in ("test", "train"))
        assert Counter(test.indices().tolist()) == dict.fromkeys(range(7), 1)
        assert not labels(test).keys() & labels(train).keys()
        assert len(labels(manifest.select(fold=fold))) == 35
    tested = [row.id for row in manifest.select("test").rows]
    assert sorted(tested) == sorted(set(tested)), "every clip is tested once"
    first = manifest.select("test", 1).rows
    assert [row.label for row in first] == ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"]
    assert first[0].path == "Clip/clip_224x224_16f/00001"


def test_dfew_counted_from_0_and_from_1_are_the_same_data_and_the_notes_say_which(dfew: Path, tmp_path: Path) -> None:
    s2d = read("dfew", dfew_tree(tmp_path, per_class=1, frames=1, form="s2d"))
    own = read("dfew", dfew)
    assert s2d.rows == own.rows
    assert any("counted from 1" in note for note in own.notes)
    assert any("counted from 0" in note for note in s2d.notes)


def test_dfew_numbering_is_told_by_the_labels_not_by_the_lists_name(dfew_lists: Path) -> None:
    before = labels(read("dfew", dfew_lists))
    path = dfew_lists / TRAIN_1
    path.write_text(re.sub(r",(\d)", lambda m: f",{int(m[1]) - 1}", path.read_text()))
    manifest = read("dfew", dfew_lists)
    assert labels(manifest) == before
    assert [note for note in manifest.notes if "counted from 0" in note and note.endswith("lists train 1")]
    assert [note for note in manifest.notes if "counted from 1" in note and "test 1, train 2" in note]


@pytest.mark.parametrize(
    "found",
    [range(8), range(1, 7), range(2, 9), (-1, 0, 1), (0, 7)],
    ids=["0 to 7", "1 to 6", "2 to 8", "negative", "0 and 7"],
)
def test_dfew_labels_of_neither_numbering_are_refused(dfew_lists: Path, found: tuple[int, ...]) -> None:
    lines = ["video_name,label", *(f"{number},{label}" for number, label in enumerate(found, 8))]
    write_lines(dfew_lists / TRAIN_1, lines)
    with pytest.raises(DataError, match=r"from 1 to 7.*or from 0 to 6"):
        find_dataset("dfew").read(dfew_lists)


def test_dfew_words_for_labels_are_refused(dfew_lists: Path) -> None:
    write_lines(dfew_lists / TRAIN_1, ["video_name,label", "8,happy"])
    with pytest.raises(DataError, match="from 1 to 7"):
        find_dataset("dfew").read(dfew_lists)


@pytest.mark.parametrize("clips", ["clip_224x224", "original"])
def test_dfew_other_clips(tmp_path: Path, clips: str) -> None:
    manifest = read("dfew", dfew_tree(tmp_path, per_class=1, frames=2, folds=1, clips=clips))
    assert {row.kind for row in manifest.rows} == {"video" if clips == "original" else "frames"}
    assert manifest.notes[-1].startswith(f"clips read from Clip/{clips}")
    assert ("not cut to the face" in manifest.notes[-1]) == (clips == "original")
    assert manifest.folds == (1,)


def test_dfew_the_sixteen_frames_come_before_other_clips_and_empty_folders_do_not_count(dfew_lists: Path) -> None:
    shutil.copytree(dfew_lists / "Clip/clip_224x224_16f", dfew_lists / "Clip/clip_224x224")
    assert read("dfew", dfew_lists).rows[0].path.startswith("Clip/clip_224x224_16f/")
    shutil.rmtree(dfew_lists / "Clip/clip_224x224_16f")
    (dfew_lists / "Clip/clip_224x224_16f/.cache").mkdir(parents=True)
    assert read("dfew", dfew_lists).rows[0].path.startswith("Clip/clip_224x224/")


def test_dfew_leading_zeros_may_be_in_lists_or_folders_or_neither(dfew_lists: Path) -> None:
    before = read("dfew", dfew_lists)
    clips = dfew_lists / "Clip/clip_224x224_16f"
    for folder in list(clips.iterdir())[::2]:
        folder.rename(clips / folder.name.lstrip("0"))
    path = dfew_lists / TRAIN_1
    path.write_text(re.sub(r"(?m)^(\d+),", lambda m: f"{int(m[1]):05d},", path.read_text()))
    after = read("dfew", dfew_lists)
    assert labels(after) == labels(before)


def test_dfew_missing_clips_are_read_and_point_to_where_they_should_be(dfew_lists: Path) -> None:
    shutil.rmtree(dfew_lists / "Clip/clip_224x224_16f/00003")
    manifest = find_dataset("dfew").read(dfew_lists)
    assert len(manifest.select(fold=1)) == 35
    row = next(row for row in manifest.rows if row.id == "00003")
    assert (row.path, row.kind) == ("Clip/clip_224x224_16f/00003", "frames")


def test_lists_from_windows_and_spreadsheets(dfew_lists: Path) -> None:
    before = read("dfew", dfew_lists)
    path = dfew_lists / TRAIN_1
    lines = path.read_text().splitlines()
    quoted = ["Video_Name;Label", "", *(f'"{line.split(",")[0]}"; {line.split(",")[1]}' for line in lines[1:]), ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(quoted).encode())
    assert read("dfew", dfew_lists).rows == before.rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"video_name,label\n8,1\n8,2\n9,7\n", "line 3: 8 again"),
        (b"video_name,label\n8,1\n9\n", "line 3: 9"),
        (b"video_name,label\n", "which is empty"),
        ("video_name,label\n8,1\n".encode("utf-16"), "UTF-8"),
    ],
    ids=["twice", "one column", "empty", "UTF-16"],
)
def test_broken_lists_are_refused_with_the_line(dfew_lists: Path, text: bytes, said: str) -> None:
    (dfew_lists / TRAIN_1).write_bytes(text)
    with pytest.raises(DataError, match=said) as caught:
        find_dataset("dfew").read(dfew_lists)
    assert TRAIN_1.name in str(caught.value)


def test_a_fold_with_one_list_is_refused(dfew_lists: Path) -> None:
    (dfew_lists / "EmoLabel_DataSplit/test(single-labeled)/set_3.csv").unlink()
    with pytest.raises(DataError, match=r"test\(single-labeled\)/set_3.csv"):
        find_dataset("dfew").read(dfew_lists)


# FERV39k


def test_ferv39k_own_and_s2d_lists_are_the_same_data(tmp_path: Path) -> None:
    own = read("ferv39k", ferv39k_tree(tmp_path / "own", per_class=2, frames=1))
    s2d = read("ferv39k", ferv39k_tree(tmp_path / "s2d", per_class=2, frames=1, form="s2d"))
    assert own.rows == s2d.rows
    assert own.folds == (0,)
    assert {split: len(own.select(split)) for split in ("train", "test")} == {"train": 14, "test": 14}
    assert own.rows[0].id.split("/")[1] == FERV39K_NAMES[own.indices()[0]]
    assert "named" in own.notes[0]
    assert "numbered" in s2d.notes[0]


def test_ferv39k_backslashes(tmp_path: Path) -> None:
    before = read("ferv39k", ferv39k_tree(tmp_path, per_class=1, frames=1))
    path = tmp_path / "4_setups/All_scenes/train_All.csv"
    path.write_text(path.read_text().replace("/", "\\"))
    assert read("ferv39k", tmp_path).rows == before.rows


def test_ferv39k_numbers_of_another_order_are_refused(tmp_path: Path) -> None:
    ferv39k_tree(tmp_path, per_class=1, frames=1, form="s2d")
    path = tmp_path / "Annotation/train.csv"
    path.write_text(re.sub(r",(\d)", lambda m: f",{(int(m[1]) + 3) % 7}", path.read_text()))
    with pytest.raises(DataError, match="names of the clips' folders"):
        find_dataset("ferv39k").read(tmp_path)


def test_ferv39k_one_relabelled_clip_keeps_its_list_label_and_is_noted(tmp_path: Path) -> None:
    ferv39k_tree(tmp_path, per_class=2, frames=1)
    path = tmp_path / "4_setups/All_scenes/train_All.csv"
    lines = path.read_text().splitlines()
    name = lines[0].split()[0]
    write_lines(path, [f"{name} Sad", *lines[1:]])
    manifest = read("ferv39k", tmp_path)
    assert labels(manifest)[name] == "sadness"
    assert f"1 contradict their folder, e.g. {name}" in manifest.notes[0]


# MAFW


@pytest.mark.parametrize("form", ["own", "s2d"])
def test_mafw_single(tmp_path: Path, form: str) -> None:
    manifest = read("mafw", mafw_tree(tmp_path, per_class=1, frames=1, form=form, folds=2))
    assert manifest.folds == (1, 2)
    for fold in manifest.folds:
        assert [row.label for row in manifest.select("test", fold).rows] == list(manifest.labels.labels)
    assert manifest.rows[0].id == "00012", "fold 1 trains on what fold 2 tests"
    assert ("numbered" if form == "s2d" else "named") in manifest.notes[0]


def test_mafw_named_lists_are_preferred_to_numbered_ones(tmp_path: Path) -> None:
    mafw_tree(tmp_path, per_class=1, frames=1, form="s2d", folds=1)
    for split in ("train", "test"):
        path = tmp_path / f"anno/single/no_caption/set_1/{split}.csv"
        numbers = [line.split(",")[0] for line in path.read_text().splitlines()[1:]]
        write_lines(path.with_suffix(".txt"), [f"{number}.mp4 fear" for number in numbers])
    assert set(labels(read("mafw", tmp_path)).values()) == {"fear"}


def test_mafw_videos(tmp_path: Path) -> None:
    manifest = read("mafw", mafw_tree(tmp_path, per_class=1, frames=2, folds=1, videos=True))
    assert manifest.rows[-1].path == "data/clips/00011.mp4"
    assert {row.kind for row in manifest.rows} == {"video"}
    (tmp_path / "data/clips/00011.mp4").unlink()
    assert find_dataset("mafw").read(tmp_path).rows[-1].path == "data/clips/00011.mp4"


def test_mafw_compound_is_a_choice_of_one_class_in_43(tmp_path: Path) -> None:
    manifest = read("mafw-compound", mafw_tree(tmp_path, per_class=1, frames=1, folds=1, compound=True))
    assert len(manifest.labels) == 43
    assert manifest.labels.labels[:11] == find_dataset("mafw").labels.labels
    assert manifest.labels.labels[11:] == tuple(sorted(manifest.labels.labels[11:]))
    known = set(manifest.labels.labels[:11])
    assert all(known >= set(parts(label)) and len(set(parts(label))) in (2, 3) for label in manifest.labels.labels[11:])
    assert len({frozenset(parts(label)) for label in manifest.labels.labels}) == 43
    assert len(set(labels(manifest.select("test")).values())) == 43
    assert manifest.targets().sum(1).tolist() == [1.0] * len(manifest)


@pytest.mark.parametrize("label", ["anger_joy", "11", "boredom"])
def test_mafw_unknown_classes_are_refused(tmp_path: Path, label: str) -> None:
    mafw_tree(tmp_path, per_class=1, frames=1, folds=1, compound=True)
    path = tmp_path / "Train & Test Set/compound/no_caption/set_1/test.txt"
    path.write_text(path.read_text() + f"00099.mp4 {label}\n")
    with pytest.raises(DataError, match=f"'{label}' for 00099.mp4"):
        find_dataset("mafw-compound").read(tmp_path)


# CREMA-D, RAVDESS, CK+


def test_cremad(tmp_path: Path) -> None:
    manifest = read("crema-d", cremad_tree(tmp_path, frames=2, actors=(1001, 1005, 1091)))
    assert len(manifest) == 18
    assert {row.subject for row in manifest.select("test").rows} == {"1005"}
    assert {row.subject for row in manifest.select("train").rows} == {"1001", "1091"}
    assert labels(manifest)["1001_DFA_HAP_XX"] == "happiness"
    assert set(labels(manifest).values()) == set(manifest.labels.labels)
    assert "18 of the 7442 published clips, of 3 of 91 actors" in manifest.notes


def test_cremad_videos_alone_in_a_folder_the_odd_name_and_strange_files(tmp_path: Path) -> None:
    write_video(tmp_path / "1040_ITH_SAD_X.mp4", 2, 32, 0, 0)
    (tmp_path / "1040_ITH_BAD_XX.mp4").touch()
    (tmp_path / "trailer.mp4").touch()
    manifest = read("crema-d", tmp_path)
    assert [(row.id, row.path, row.label) for row in manifest.rows] == [
        ("1040_ITH_SAD_X", "1040_ITH_SAD_X.mp4", "sadness")
    ]


def test_ravdess(tmp_path: Path) -> None:
    manifest = read("ravdess", ravdess_tree(tmp_path, frames=2, actors=(1, 5, 24)))
    assert [row.label for row in manifest.rows[:8]] == list(manifest.labels.labels)
    assert labels(manifest)["01-01-02-01-02-01-01"] == "calm", "calm is a class of its own"
    assert {row.subject for row in manifest.select("test").rows} == {"Actor_05"}
    assert {row.subject for row in manifest.select("train").rows} == {"Actor_01", "Actor_24"}


def test_ravdess_one_video_a_take_with_sound_where_there_is(tmp_path: Path) -> None:
    speech, song = tmp_path / "Video_Speech_Actor_01/Actor_01", tmp_path / "Video_Song_Actor_01/Actor_01"
    for folder in (speech, song):
        folder.mkdir(parents=True)
    for path in (
        *(speech / f"0{modality}-01-06-01-02-01-01.mp4" for modality in (1, 2)),
        *(song / "02-02-06-01-02-01-01.mp4", song / "._02-02-06-01-02-01-01.mp4"),
        *(speech / "03-01-06-01-02-01-01.wav", speech / "01-01-09-01-02-01-01.mp4"),
    ):
        path.touch()
    manifest = find_dataset("ravdess").read(tmp_path)
    assert [row.path for row in manifest.rows] == [
        "Video_Speech_Actor_01/Actor_01/01-01-06-01-02-01-01.mp4",
        "Video_Song_Actor_01/Actor_01/02-02-06-01-02-01-01.mp4",
    ]
    assert "1 of 1440 published takes of speech, 1 of 1012 of song" in manifest.notes[0]


def test_ckplus(tmp_path: Path) -> None:
    manifest = read("ck+", ckplus_tree(tmp_path, people=12, frames=1))
    assert manifest.folds == tuple(range(1, 11))
    assert len(manifest) == 10 * 12 * 7, "sequences without an emotion file are left out"
    assert [row.label for row in manifest.rows[:7]] == list(manifest.labels.labels)
    assert manifest.rows[0].path == "cohn-kanade-images/S005/001"
    for fold in manifest.folds:
        testers, trainers = ({row.subject for row in manifest.select(s, fold).rows} for s in ("test", "train"))
        assert not testers & trainers
        assert testers | trainers == {f"S{person:03d}" for person in range(5, 17)}
    assert {row.subject for row in manifest.select("test", 2).rows} == {"S006", "S016"}
    assert len(manifest.select("test")) == 12 * 7, "everybody is tested once"


@pytest.mark.parametrize("text", ["", "0.0", "8", "happy", "3.5"])
def test_ckplus_a_torn_emotion_file_is_named(tmp_path: Path, text: str) -> None:
    ckplus_tree(tmp_path, people=1, frames=1)
    path = next((tmp_path / "Emotion").rglob("*_emotion.txt"))
    path.write_text(text)
    with pytest.raises(DataError, match=f"one number from 1 to 7.*{path.name}"):
        find_dataset("ck+").read(tmp_path)


# All


@pytest.mark.parametrize("name", VIDEO_SETS)
def test_wrong_folders_are_refused_with_the_layouts_there_are(tmp_path: Path, name: str) -> None:
    dataset = find_dataset(name)
    (tmp_path / "holiday").mkdir()
    for root, said in ((tmp_path, "only holiday"), (tmp_path / "nowhere", "no folder at")):
        with pytest.raises(DataError, match=said) as caught:
            dataset.read(root)
        assert all(line in str(caught.value) for line in dataset.layout)


@pytest.mark.parametrize("name", VIDEO_SETS)
def test_published_counts_agree_with_each_other(name: str) -> None:
    dataset = find_dataset(name)
    for (fold, split), classes in dataset.published_classes.items():
        assert sum(classes.values()) == dataset.published[fold][split]
        assert set(classes) == set(dataset.labels.labels)
    totals = {"dfew": 11697, "mafw": 9172, "ferv39k": 38935, "ravdess": 1440 + 1012}
    assert {sum(splits.values()) for splits in dataset.published.values()} == (
        {totals[name]} if name in totals else set()
    )
    if name in ("dfew", "mafw"):
        assert sum(splits["test"] for splits in dataset.published.values()) == totals[name]


def test_a_read_set_survives_being_saved(dfew: Path, tmp_path: Path) -> None:
    manifest = read("dfew", dfew)
    manifest.save(tmp_path)
    again = load_manifest(tmp_path)
    assert (again.rows, again.labels, again.notes) == (manifest.rows, manifest.labels, manifest.notes)
