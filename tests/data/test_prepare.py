"""A prepared set: the faces analysis would see, names that stay inside, runs that can be stopped at any moment."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
import trees
import video_trees
from hypothesis import given
from hypothesis import strategies as st
from raw_sets import blobs, release, save

from mien import media
from mien.core.errors import ConfigError, DataError
from mien.core.types import Frame
from mien.data.crop_settings import CropSettings
from mien.data.crops import main_person, middle
from mien.data.datasets import find_dataset
from mien.data.manifest import Row, load_manifest
from mien.data.names import crop_names
from mien.data.pixels import frame_count, read_clip
from mien.data.prepare import prepare
from mien.data.synthetic import write_synthetic
from mien.faces import FaceSettings, detect_shrunk, follow, make_detector
from mien.faces.align import TEMPLATE, align
from mien.media.stills import read_image

Files = dict[str, bytes]


def picture(name: str, path: str, split: str = "train", fold: int = 0) -> Row:
    return Row(name, path, "image", "happiness", split, fold)  # type: ignore[arg-type]


def files(folder: Path) -> Files:
    """Every file below a folder, hidden ones too, but the reports, which have dates."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith("report.")}


@pytest.fixture(scope="module")
def head(portrait: np.ndarray) -> np.ndarray:
    """The portrait's head, 200 x 200."""
    return np.ascontiguousarray(portrait[20:220, 120:320])


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, head: np.ndarray, sample_clip: Callable[[str], Path]) -> Path:
    """Five pictures with a face, one without, a torn one; a clip as video and as frames, and a clip without a face."""
    folder = tmp_path_factory.mktemp("raw")
    for number in range(5):
        save(folder / f"{number}.png", np.roll(head, 3 * number, axis=1))
    save(folder / "blobs.png", blobs(0, 200))
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with media.open(sample_clip("single_face.mp4")) as source:
        shots = [(frame.time, _small(frame.image)) for frame in islice(source, 12)]
    height, width = shots[0][1].shape[:2]
    with media.VideoWriter(folder / "clip.mp4", width, height, 25) as writer:
        for number, (time, image) in enumerate(shots):
            writer.write(image, time)
            save(folder / "frames" / f"{number + 1}.png", image)
            save(folder / "nobody" / f"{number + 1}.png", blobs(number, 120))
    return folder


def _small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


PICTURES = [picture(f"face{n}", f"{n}.png", "test" if n == 4 else "train") for n in range(5)]
CLIPS = [
    Row("film", "clip.mp4", "video", "sadness", "train", 1),
    Row("film", "clip.mp4", "video", "sadness", "test", 2),
    Row("A/Sad/1", "frames", "frames", "sadness", "train", 1),
    Row("nobody", "nobody", "frames", "sadness", "train", 1),
]
ALL = [*PICTURES, picture("blobs", "blobs.png"), picture("torn", "torn.jpg"), *CLIPS]


def test_a_picture_becomes_the_crop_analysis_would_make(raw: Path, tmp_path: Path) -> None:
    report = prepare(release(PICTURES), raw, tmp_path / "out")
    made = load_manifest(tmp_path / "out")
    assert [dataclasses.replace(row, path="") for row in made.rows] == [
        dataclasses.replace(r, path="") for r in PICTURES
    ]
    assert (made.crop_size, made.rows[0].path, made.root) == (224, "crops/face0.jpg", tmp_path / "out")
    image = read_image(raw / "0.png")
    ((_, (seen,)),) = follow([Frame(0, 0.0, image)], FaceSettings(), 224)
    crop = read_clip(made, made.rows[0])[0]
    assert np.abs(crop.astype(int) - seen.image).mean() < 2  # JPEG
    (face,) = detect_shrunk(make_detector("mtcnn"), np.ascontiguousarray(crop.transpose(1, 2, 0)), 360)
    assert np.abs(face.points / 224 - TEMPLATE).max() < 0.08
    assert report.ids("cropped") == [row.id for row in PICTURES]


def test_a_clip_becomes_one_persons_frames(raw: Path, tmp_path: Path) -> None:
    prepare(release(CLIPS), raw, tmp_path / "out", CropSettings(size=96))
    made = load_manifest(tmp_path / "out")
    assert [(row.id, row.path, row.kind, row.split, row.fold) for row in made.rows] == [
        ("film", "crops/film", "frames", "train", 1),
        ("film", "crops/film", "frames", "test", 2),
        ("A/Sad/1", "crops/A/Sad/1", "frames", "train", 1),
    ]
    with media.open(raw / "clip.mp4") as source:
        seen = [crops[0].image for _, crops in follow(source, FaceSettings(), 96)]
    clip = read_clip(made, made.rows[0])
    assert clip.shape == (12, 3, 96, 96)
    assert np.abs(clip.astype(int) - np.stack(seen)).mean() < 2
    assert sorted(path.name for path in (tmp_path / "out/crops/A/Sad/1").iterdir()) == [
        f"{n:05d}.jpg" for n in range(12)
    ]
    assert made.rate == pytest.approx(30, abs=0.6), "of the film; the folder of frames says nothing"


def test_some_frames_of_a_clip_spread_over_it(raw: Path, tmp_path: Path) -> None:
    prepare(release(CLIPS), raw, tmp_path / "out", CropSettings(size=48, frames=4))
    assert [path.stem for path in sorted((tmp_path / "out/crops/film").iterdir())] == [
        "00001",
        "00004",
        "00007",
        "00010",
    ]
    assert load_manifest(tmp_path / "out").rate is None, "some of a clip's frames have another pace in every clip"


def test_frames_without_the_person_are_left_out(head: np.ndarray) -> None:
    empty = np.zeros((200, 200, 3), np.uint8)
    shots = [Frame(n, n / 25, image) for n, image in enumerate([empty] * 3 + [head] * 8 + [empty] * 2)]
    made = main_person(shots, FaceSettings(detect_every=1), 48, make_detector("mtcnn"))
    assert sorted(made) == list(range(3, 11))


def test_of_two_people_the_large_one_in_the_middle(head: np.ndarray) -> None:
    scene = np.full((240, 520, 3), 128, np.uint8)
    scene[20:220, 160:360] = head
    scene[5:105, 5:105] = cv2.resize(head, (100, 100), interpolation=cv2.INTER_AREA)[:, ::-1]
    faces = detect_shrunk(make_detector("mtcnn"), scene, 360)
    assert len(faces) == 2
    large = max(faces, key=lambda face: face.size)
    (jpeg,) = main_person([Frame(0, 0.0, scene)], FaceSettings(), 64, make_detector("mtcnn")).values()
    crop = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].transpose(2, 0, 1)
    assert np.abs(crop.astype(int) - align(scene, large.points, 64)).mean() < 3


def test_what_has_no_face_is_left_out_and_said(raw: Path, tmp_path: Path) -> None:
    report = prepare(release(ALL), raw, tmp_path / "out", CropSettings(size=48))
    told = json.loads((tmp_path / "out/report.json").read_text())
    assert told == json.loads(json.dumps(report.to_dict()))
    assert told["prepared"]["no_face"] == ["blobs", "nobody"]
    assert told["checks"]["problems"]["unreadable"][0]["items"] == ["torn"]
    assert [part["left_out"] for part in told["prepared"]["parts"]] == [2, 0, 1, 0]
    assert {row.id for row in load_manifest(tmp_path / "out").rows}.isdisjoint({"blobs", "nobody", "torn"})
    assert "3 rows of the release are left out" in load_manifest(tmp_path / "out").notes[-1]
    assert "unreadable" in (tmp_path / "out/report.md").read_text()


def test_the_middle_of_a_picture_without_a_face_on_demand(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release(ALL), raw, out, CropSettings(size=48))
    before = {path: path.stat().st_mtime_ns for path in (out / "crops").rglob("*.jpg")}
    report = prepare(release(ALL), raw, out, CropSettings(size=48, keep_uncropped=True))
    rows = {row.id: row for row in load_manifest(out).rows}
    assert (rows["blobs"].path, rows["nobody"].path) == ("uncropped/blobs.jpg", "uncropped/nobody")
    assert (
        np.abs(
            read_image(out / "uncropped/blobs.jpg") - middle(blobs(0, 200), 48).transpose(1, 2, 0).astype(int)
        ).mean()
        < 4
    )
    assert frame_count(load_manifest(out), rows["nobody"]) == 12
    assert report.to_dict()["prepared"]["kept_uncropped"] == ["blobs", "nobody"]
    assert before == {path: path.stat().st_mtime_ns for path in (out / "crops").rglob("*.jpg")}
    prepare(release(ALL), raw, out, CropSettings(size=48))
    assert "blobs" not in {row.id for row in load_manifest(out).rows}


def test_two_processes_make_the_same_files(raw: Path, tmp_path: Path) -> None:
    settings = CropSettings(size=48, keep_uncropped=True)
    steps: list[tuple[str, int, int]] = []
    prepare(release(ALL), raw, tmp_path / "one", settings, progress=lambda *step: steps.append(step))
    prepare(release(ALL), raw, tmp_path / "two", settings, workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert steps[-1] == ("crop", 9, 9)
    assert ("check", 10, 10) in steps


KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from test_prepare import ALL, CropSettings, prepare, release
real, calls = os.replace, []
def replace(draft, goal):
    calls.append(goal)
    if len(calls) == {moment}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(draft, goal)
os.replace = replace
prepare(release(ALL), Path({raw!r}), Path({out!r}), CropSettings(size=48))
"""


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted run makes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare(release(ALL), raw, out, CropSettings(size=48))
    return out


@pytest.mark.parametrize("moment", [1, 4, 8, 12])
def test_a_killed_run_leaves_nothing_by_half_and_is_taken_up(
    raw: Path, whole: Path, tmp_path: Path, moment: int
) -> None:
    """Killed while the settings, a picture, a clip or the set is about to get its name."""
    out = tmp_path / "out"
    program = KILLED.format(paths=[str(Path(__file__).parent)], raw=str(raw), out=str(out), moment=moment)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert not (out / "set.json").exists()
    for path in (out / "crops").rglob("*.jpg"):
        assert path.read_bytes() == (whole / path.relative_to(out)).read_bytes()
    for clip in (out / "crops/film", out / "crops/A/Sad/1"):
        assert not clip.exists() or len(list(clip.iterdir())) == 12
    before = {path: path.stat().st_mtime_ns for path in (out / "crops").rglob("*.jpg")}
    prepare(release(ALL), raw, out, CropSettings(size=48))
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert files(out) == files(whole)


def test_ctrl_c_keeps_what_is_done(raw: Path, whole: Path, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "crop" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(release(ALL), raw, tmp_path / "out", CropSettings(size=48), progress=stop)
    assert sorted(files(tmp_path / "out")) == ["crops.json", *(f"crops/face{n}.jpg" for n in range(3))]
    prepare(release(ALL), raw, tmp_path / "out", CropSettings(size=48))
    assert files(tmp_path / "out") == files(whole)


def test_crops_of_two_kinds_are_not_mixed(raw: Path, whole: Path, tmp_path: Path) -> None:
    before = files(whole)
    with pytest.raises(ConfigError, match="size 48 instead of 64"):
        prepare(release(ALL), raw, whole, CropSettings(size=64))
    with pytest.raises(ConfigError, match="folder of its own"):
        prepare(release(ALL), raw, raw)
    with pytest.raises(ConfigError, match="--crop"):
        prepare(release(ALL), raw, tmp_path / "out", CropSettings(size=64), crop=False)
    with pytest.raises(ConfigError, match="a folder for the prepared set"):
        prepare(release(ALL), raw, raw / "0.png")
    assert files(whole) == before


def test_checks_come_first_and_may_be_all(raw: Path, tmp_path: Path) -> None:
    for number, options in enumerate(({"check_only": True}, {"strict": True})):
        out = tmp_path / str(number)
        report = prepare(release(ALL), raw, out, **options)
        assert report.findings.serious
        assert report.manifest is None
        assert sorted(files(out)) == ["checks.json", "checks.md"]


def test_nothing_that_can_be_used(raw: Path, tmp_path: Path) -> None:
    rows = [picture("torn", "torn.jpg"), picture("gone", "gone.jpg"), picture("blobs", "blobs.png")]
    with pytest.raises(DataError, match=r"1 unreadable, 1 missing, 1 no face"):
        prepare(release(rows), raw, tmp_path / "out")
    assert not (tmp_path / "out/set.json").exists()


def test_of_two_rows_with_one_id_the_first_stays(raw: Path, tmp_path: Path) -> None:
    rows = [picture("twin", "0.png"), picture("twin", "1.png"), picture("other", "2.png", "test")]
    report = prepare(release(rows), raw, tmp_path / "out", crop=False)
    assert report.manifest is not None
    assert [(row.id, row.path) for row in report.manifest.rows] == [("twin", "0.png"), ("other", "2.png")]
    assert [row.path for row in report.left_out] == ["1.png"]


def _synthetic(folder: Path) -> Path:
    write_synthetic(folder, "static", train=6, test=6, frames=3)
    return folder


LAYOUTS = {
    "rafdb": ("rafdb", trees.rafdb_tree),
    "affectnet7": ("affectnet7", trees.affectnet_tree),
    "affectnet8, newer": ("affectnet8", trees.affectnet_pack_tree),
    "ferplus, npz": ("ferplus", trees.ferplus_npz),
    "ferplus, csv": ("ferplus", trees.ferplus_csv_tree),
    "folder": ("folder", trees.folder_tree),
    "folder of clips": ("folder", lambda folder: trees.folder_tree(folder, frames=3)),
    "synthetic": ("synthetic", _synthetic),
    "dfew": ("dfew", video_trees.dfew_tree),
    "dfew, S2D": ("dfew", lambda folder: video_trees.dfew_tree(folder, form="s2d")),
    "dfew, videos": ("dfew", lambda folder: video_trees.dfew_tree(folder, folds=2, clips="original")),
    "ferv39k": ("ferv39k", video_trees.ferv39k_tree),
    "ferv39k, S2D": ("ferv39k", lambda folder: video_trees.ferv39k_tree(folder, form="s2d")),
    "mafw": ("mafw", video_trees.mafw_tree),
    "mafw, videos": ("mafw", lambda folder: video_trees.mafw_tree(folder, folds=2, videos=True)),
    "mafw-compound": ("mafw-compound", lambda folder: video_trees.mafw_tree(folder, folds=2, compound=True, frames=2)),
    "crema-d": ("crema-d", video_trees.cremad_tree),
    "ravdess": ("ravdess", video_trees.ravdess_tree),
    "ck+": ("ck+", lambda folder: video_trees.ckplus_tree(folder, people=3, frames=2)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_prepared_as_it_lies(layout: str, tmp_path: Path) -> None:
    name, make = LAYOUTS[layout]
    root = make(tmp_path / "raw")
    released = find_dataset(name).read(root)
    report = prepare(name, root, tmp_path / "out", crop=False)
    made = load_manifest(tmp_path / "out")
    assert [dataclasses.replace(row, votes=()) for row in made.rows] == [
        dataclasses.replace(row, votes=()) for row in released.rows
    ]
    assert np.allclose(made.targets(), released.targets(), atol=1e-5)
    assert (made.root, made.crop_size) == (released.root.resolve(), released.crop_size)
    assert made.notes == released.notes
    assert [problem.kind for problem in report.findings.problems] == []
    assert {read_clip(made, row).shape[0] for row in made.rows[:5]} == {frame_count(made, row) for row in made.rows[:5]}


def test_releases_made_of_crops_are_kept_as_they_are(raw: Path, tmp_path: Path) -> None:
    dataset = dataclasses.replace(release(PICTURES), cropped=True)
    prepare(dataset, raw, tmp_path / "out")
    assert load_manifest(tmp_path / "out").rows == tuple(PICTURES)
    prepare(dataset, raw, tmp_path / "cropped", crop=True)
    assert load_manifest(tmp_path / "cropped").crop_size == 224


def test_an_array_is_cropped_too(head: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    np.savez(tmp_path / "raw/faces.npz", train_images=np.stack([head[..., 0], blobs(1, 200)[..., 0]]))
    rows = [Row(f"train/{n}", f"faces.npz#train_images/{n}", "array", "sadness", "train") for n in range(2)]
    report = prepare(release(rows), tmp_path / "raw", tmp_path / "out")
    assert [row.path for row in load_manifest(tmp_path / "out").rows] == ["crops/train/0.jpg"]
    assert report.ids("no face") == ["train/1"]


ids = st.text(st.sampled_from("aAb./\\ :%é\0~") | st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.tuples(ids, st.sampled_from(["image", "frames"])), min_size=1, max_size=8))
def test_names_stay_inside_and_apart(items: list[tuple[str, str]]) -> None:
    rows = [Row(name, f"raw{n}", kind, "", "train") for n, (name, kind) in enumerate(items)]  # type: ignore[arg-type]
    names = [PurePosixPath(name.casefold()) for name in crop_names(rows).values()]
    assert len(set(names)) == len(rows)
    for name in names:
        assert not name.is_absolute()
        assert all(not part.startswith(".") and len(part.encode()) < 255 for part in name.parts)
        assert not set(str(name)) & set('\0\\:*?"<>|')
        assert not set(names) & set(name.parents)


def test_usual_names_are_kept() -> None:
    rows = [
        Row(name, name, kind, "", "train") for name, kind in (("Action/Happy/0118", "frames"), ("a/b.PNG", "image"))
    ]
    assert list(crop_names(rows).values()) == ["Action/Happy/0118", "a/b.jpg"]
    assert all(
        len(part) < 255
        for part in next(iter(crop_names([Row("x" * 999, "x", "image", "", "train")]).values())).split("/")
    )


def test_an_id_of_a_stranger_writes_nothing_outside(raw: Path, tmp_path: Path) -> None:
    rows = [picture("../../../evil", "0.png"), picture(str(tmp_path / "evil"), "1.png"), picture("..", "2.png")]
    prepare(release(rows), raw, tmp_path / "a/b/out")
    assert sorted(path.name for path in tmp_path.rglob("*evil*")) == ["evil.jpg", "evil.jpg"]
    assert all(path.is_relative_to(tmp_path / "a/b/out/crops") for path in tmp_path.rglob("*.jpg"))
    assert len(load_manifest(tmp_path / "a/b/out")) == 3
