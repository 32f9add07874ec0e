"""Reading a row's pixels: the right frames, in colour, from every kind of place, and errors that name the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.data import pixels
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip, video_frames
from mien.media import VideoWriter

LABELS = LabelSpace("two", ("happiness", "sadness"))


def at(root: Path, path: str, kind: str) -> tuple[Manifest, Row]:
    """One row and its manifest."""
    row = Row("it", path, kind, "sadness", "train")  # type: ignore[arg-type]
    return Manifest("test", LABELS, (row,), root), row


def flat(colour: tuple[int, int, int], size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> tuple[Manifest, Row]:
    """Twelve frames that grow redder."""
    with VideoWriter(tmp_path / "clip.mp4", 32, 24, 25) as writer:
        for number in range(12):
            writer.write(flat((20 * number, 0, 0)), number / 25)
    return at(tmp_path, "clip.mp4", "video")


def test_a_picture_is_a_clip_of_one_frame_in_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "red.png"), flat((255, 0, 0))[..., ::-1])
    manifest, row = at(tmp_path, "red.png", "image")
    assert frame_count(manifest, row) == 1
    clip = read_clip(manifest, row)
    assert clip.shape == (1, 3, 24, 32)
    assert clip[0, :, 0, 0].tolist() == [255, 0, 0]
    assert read_clip(manifest, row, np.zeros(3, int)).shape == (3, 3, 24, 32)


def test_only_the_wanted_frames_of_a_video_become_pixels(video, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, row = video
    whole = read_clip(manifest, row)
    assert frame_count(manifest, row) == len(whole) == 12
    made: list[int] = []
    shot = pixels.open_source

    def counting(path):
        source = shot(path)
        source.shots = (_Counted(number, one, made) for number, one in enumerate(source.shots))
        return source

    monkeypatch.setattr(pixels, "open_source", counting)
    some = read_clip(manifest, row, np.array([7, 2, 2, 5]))
    assert np.array_equal(some, whole[[7, 2, 2, 5]])
    assert made == [2, 5, 7]
    assert np.all(np.diff(whole[:, 0].mean((1, 2))) > 10)


class _Counted:
    """A shot that notes when its pixels are made."""

    def __init__(self, number: int, shot, made: list[int]) -> None:
        self.pixels = lambda: made.append(number) or shot.pixels()


def test_a_frame_the_clip_does_not_have(video) -> None:
    with pytest.raises(DataError, match=r"frame \[12\] of .*clip\.mp4"):
        read_clip(*video, np.array([0, 12]))


@pytest.mark.parametrize("name", ["{}.png", "{:05d}.png", "clip_{}.png"])
def test_frames_come_in_the_order_people_count(tmp_path: Path, name: str) -> None:
    (tmp_path / "clip").mkdir()
    for number in (10, 2, 1, 9, 100):
        cv2.imwrite(str(tmp_path / "clip" / name.format(number)), flat((0, 0, number))[..., ::-1])
    manifest, row = at(tmp_path, "clip", "frames")
    assert frame_count(manifest, row) == 5
    assert read_clip(manifest, row)[:, 2, 0, 0].tolist() == [1, 2, 9, 10, 100]
    assert read_clip(manifest, row, np.array([3, 0]))[:, 2, 0, 0].tolist() == [10, 1]


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for number, size in enumerate([(24, 32), (24, 30)]):
        cv2.imwrite(str(tmp_path / "clip" / f"{number}.png"), flat((9, 9, 9), size))
    manifest, row = at(tmp_path, "clip", "frames")
    with pytest.raises(DataError, match=r"30x24 and 32x24 in .*clip"):
        read_clip(manifest, row)
    assert len(read_clip(manifest, row, np.array([1]))) == 1


def test_rows_of_an_archive_are_grey_or_colour_and_read_from_disk_once(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 255, (4, 8, 9)).astype(np.uint8), rng.integers(0, 255, (2, 8, 9, 3)).astype(np.uint8)
    np.savez_compressed(tmp_path / "faces#1.npz", grey=grey, colour=colour)
    loads: list[Path] = []
    load = np.load
    monkeypatch.setattr(pixels.np, "load", lambda path: loads.append(path) or load(path))
    for number in range(4):
        clip = read_clip(*at(tmp_path, f"faces#1.npz#grey/{number}", "array"))
        assert np.array_equal(clip, np.repeat(grey[number][None, None], 3, 1))
    assert np.array_equal(read_clip(*at(tmp_path, "faces#1.npz#colour/1", "array"))[0], colour[1].transpose(2, 0, 1))
    assert len(loads) == 2
    assert frame_count(*at(tmp_path, "faces#1.npz#grey/0", "array")) == 1


def test_a_row_of_numbers_as_text(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 48, 48))
    lines = [f"0,{' '.join(map(str, image.ravel()))},Training" for image in grey]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]))
    for number in range(2):
        clip = read_clip(*at(tmp_path, f"fer2013.csv#pixels/{number}", "array"))
        assert np.array_equal(clip, np.repeat(grey[number][None, None], 3, 1))
    with pytest.raises(DataError, match=r"fer2013\.csv"):
        read_clip(*at(tmp_path, "fer2013.csv#pixels/2", "array"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *[("gone.jpg", "image"), ("gone.mp4", "video"), ("gone", "frames"), ("gone.npz#a/0", "array")],
        *[("text.jpg", "image"), ("text.mp4", "video"), ("text.jpg", "frames"), ("text.npz#a/0", "array")],
        *[("empty", "frames"), ("ok.npz#b/0", "array"), ("ok.npz#a/7", "array"), ("ok.npz", "array")],
        *[("float.npz#a/0", "array"), ("torn.jpg", "image")],
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, path: str, kind: str, portrait: np.ndarray) -> None:
    for suffix in ("jpg", "mp4", "npz"):
        (tmp_path / f"text.{suffix}").write_text("no pixels here")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "ok.npz", a=np.zeros((2, 4, 4), np.uint8))
    np.savez(tmp_path / "float.npz", a=np.zeros((2, 4, 4)))
    (tmp_path / "torn.jpg").write_bytes(cv2.imencode(".jpg", portrait)[1].tobytes()[:9000])
    with pytest.raises(DataError, match=path.partition("#")[0].replace(".", r"\.")):
        read_clip(*at(tmp_path, path, kind))


def test_a_video_without_its_index_is_named(sample_clip, tmp_path: Path) -> None:
    whole, torn = sample_clip("face_noface.mov"), tmp_path / "torn.mov"
    data = whole.read_bytes()
    assert video_frames(whole).problems == ()
    torn.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(DataError, match=r"torn\.mov"):  # its index was at the end
        video_frames(torn)


def test_a_video_that_breaks_off_says_so(tmp_path: Path, portrait: np.ndarray) -> None:
    path = tmp_path / "torn.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuvj420p"
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(portrait, format="rgb24")))
        container.mux(stream.encode(None))
    assert video_frames(path) == (50, (), 25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, problems, _ = video_frames(path)
    assert 10 < frames < 40
    assert any("torn.avi" in problem for problem in problems)


def test_a_count_is_not_remembered_past_a_change(video, tmp_path: Path) -> None:
    assert frame_count(*video) == 12
    with VideoWriter(tmp_path / "new.mp4", 32, 24, 25) as writer:
        for number in range(3):
            writer.write(flat((0, 0, 0)), number / 25)
    shutil.move(tmp_path / "new.mp4", tmp_path / "clip.mp4")
    assert frame_count(*video) == 3


class _Clips(torch.utils.data.Dataset):
    def __init__(self, manifest: Manifest, row: Row) -> None:
        self.manifest, self.row = manifest, row

    def __len__(self) -> int:
        return 8

    def __getitem__(self, item: int) -> torch.Tensor:
        return torch.from_numpy(read_clip(self.manifest, self.row, np.array([item, 11 - item])))


def test_loader_workers_read_the_same(video) -> None:
    plain = torch.stack([_Clips(*video)[item] for item in range(8)])
    loader = torch.utils.data.DataLoader(_Clips(*video), 4, num_workers=2, multiprocessing_context="spawn")
    assert torch.equal(torch.cat(list(loader)), plain)
