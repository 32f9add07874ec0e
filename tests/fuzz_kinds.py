"""Kinds of input that others make: how a sound one is made here, how it is damaged, and what reads it.

A reader either returns or raises an InputError; whatever else it notices is an AssertionError.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from fuzz_mutations import Rng, damaged, damaged_table, damaged_tree
from mien import media
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.core.types import Face
from mien.models.record import ModelRecord, Preprocessing
from scheduling import ordinary

WIDTH, HEIGHT, FRAMES = 64, 48, 10
MOST_FRAMES = 60
LABELS = LabelSpace("three", ("neutral", "happiness", "sadness"))

Read = Callable[[Path], object]


class Kind(ABC):
    """A kind of input; ``folder`` holds its sound files, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.make()

    @abstractmethod
    def make(self) -> None:
        """Make the sound files."""

    @abstractmethod
    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        """Write a damaged input into the empty folder ``place``: what was done, its path, and what reads it."""


class Media(Kind):
    """Films and stills, through the one door that opens them; a few through a whole analysis."""

    def make(self) -> None:
        for name, codec, options in FILMS:
            try:
                _write_film(self.folder / name, codec, options)
            except (av.error.FFmpegError, ValueError):  # this FFmpeg has no such encoder
                (self.folder / name).unlink(missing_ok=True)
        for suffix in ("png", "jpg", "bmp", "tiff", "webp", "ppm"):
            cv2.imwrite(str(self.folder / f"still.{suffix}"), picture(3))
        cv2.imwritemulti(str(self.folder / "pages.tiff"), [picture(number) for number in range(3)])
        jpeg, film = (self.folder / name for name in ("still.jpg", "sound.mp4"))
        (self.folder / "motion.jpg").write_bytes(jpeg.read_bytes() + film.read_bytes())
        self.names = sorted(path.name for path in self.folder.iterdir())
        assert len(self.names) >= 12, self.names
        self.bytes = [(self.folder / name).read_bytes() for name in self.names]

    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        number = int(rng.integers(len(self.names)))
        data, done = damaged(self.bytes[number], rng, self.bytes)
        path = place / self.names[number]
        path.write_bytes(data)
        whole = rng.random() < 0.1
        return f"{path.name} {done}{' analyzed' if whole else ''}", path, analyzed if whole else frames_of


# A fragmented MP4, one whose index comes first, sound beside pictures, and what cameras and the web write.
FILMS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("front.mp4", "libx264", {"movflags": "faststart"}),
    ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("sound.mp4", "mpeg4", {}),
    ("plain.mkv", "libx264", {}),
    ("web.webm", "libvpx", {}),
    ("old.avi", "mjpeg", {}),
    ("divx.avi", "mpeg4", {}),
    ("phone.mov", "mjpeg", {}),
    ("stream.ts", "mpeg2video", {}),
    ("flash.flv", "flv", {}),
    ("windows.wmv", "wmv2", {}),
    ("raw.h264", "libx264", {}),
    ("camera.mjpeg", "mjpeg", {}),
    ("moving.gif", "gif", {}),
    ("lossless.mkv", "ffv1", {}),
    ("moving.png", "apng", {"plays": "0"}),
    ("moving.webp", "libwebp_anim", {}),
    ("moving.avif", "libsvtav1", {}),
)


def picture(number: int) -> np.ndarray:
    """A box that moves over a ramp, with grain; BGR."""
    rng = np.random.default_rng(number)
    ramp = np.linspace(0, 200, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    ramp[10:30, 4 * number : 4 * number + 16] = 230
    return np.clip(ramp + rng.integers(0, 20, ramp.shape), 0, 255).astype(np.uint8)


def _write_film(path: Path, codec: str, options: dict[str, str]) -> None:
    pixels = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24"}.get(codec, "yuv420p")
    form = "apng" if codec == "apng" else None
    with av.open(str(path), "w", format=form, options={**options, "fflags": "+bitexact"}) as container:
        film = container.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT, pix_fmt=pixels)
        sound = container.add_stream("aac", rate=8000) if path.stem == "sound" else None
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24").reformat(format=pixels)
            frame.pts = number
            container.mux(film.encode(frame))
            if sound is not None:
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.float32), format="fltp", layout="mono")
                tone.rate, tone.pts = 8000, 320 * number
                container.mux(sound.encode(tone))
        for stream in filter(None, (film, sound)):
            container.mux(stream.encode(None))
    ordinary()


def frames_of(path: Path) -> int:
    """How many frames can be read; each is looked at."""
    before, count = -np.inf, 0
    with media.open(path) as source:
        for frame in islice(source, MOST_FRAMES):
            assert frame.image.dtype == np.uint8, frame.image.dtype
            assert frame.image.ndim == 3, frame.image.shape
            assert np.isfinite(frame.time), frame.time
            assert frame.time >= before, f"{frame.time} after {before}"
            before, count = frame.time, count + 1
        assert all(isinstance(problem, str) and problem for problem in source.problems), source.problems
    assert count, "neither a frame nor an error"
    return count


class _Box:
    """A detector that sees a face in the middle of every picture."""

    name = "box"

    def detect(self, image: np.ndarray) -> list[Face]:
        from mien.faces.align import points_in_box

        height, width = image.shape[:2]
        box = np.array([width / 4, height / 8, 3 * width / 4, 7 * height / 8], np.float32)
        return [Face(box, 0.99, points_in_box(box))]


class _Answers:
    """A network that answers by brightness."""

    record = ModelRecord("stub", LABELS, Preprocessing(24, 24), {}, frames=4, threshold=0.4)

    def logits(self, clips: np.ndarray) -> np.ndarray:
        return np.log(self.probabilities(clips))

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        bright = np.clip(clips.mean(axis=(1, 2, 3, 4)) / 255, 0.05, 0.9)
        return np.stack([0.95 - bright, bright, np.full_like(bright, 0.05)], axis=1)


def analyzed(path: Path) -> int:
    """Rows of a whole analysis, written and read back."""
    from mien.analysis.expressions import ExpressionModel
    from mien.report.plots.analyses import read_analysis

    result = ExpressionModel(_Answers()).analyze(path, detector=_Box())
    folder = path.parent / "out"
    result.save(folder)
    assert len(read_analysis(folder).times) == len(result.frames)
    return len(result.frames)


class Weights(Kind):
    """Weights files and the records in them."""

    def make(self) -> None:
        import torch

        from mien.models.landmarks import MobileFaceNet
        from mien.models.s2d import S2D, S2DConfig
        from mien.models.weights import Recognizer, save_weights

        torch.manual_seed(0)
        plan = Preprocessing(24, 32, "grey")
        for name, config in {
            "image": S2DConfig(32, 16, 32, 1, 2, 3, prompts=False),
            "video": S2DConfig(32, 16, 32, 1, 2, 3, frames=4),
        }.items():
            net = Recognizer(S2D(config), MobileFaceNet() if config.prompts else None, plan).eval()
            save_weights(net, ModelRecord(name, LABELS, plan, {}, frames=4), self.folder / f"{name}.safetensors")
        self.bytes = {path.stem: path.read_bytes() for path in self.folder.glob("*.safetensors")}
        self.others = list(self.bytes.values())

    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        name = "video" if rng.random() < 0.15 else "image"
        path, way = place / f"{name}.safetensors", rng.random()
        head, body = _parted(self.bytes[name])
        if way < 0.3:
            data, done = damaged(self.bytes[name], rng, self.others)
        elif way < 0.33:
            data, done = struct.pack("<Q", 300_000) + b"[" * 300_000, "brackets"
        elif way < 0.45:
            head, done = damaged_tree(head, rng)
            data = _joined(json.dumps(head), body)
        elif way < 0.55:
            text, done = damaged(json.dumps(head).encode(), rng, [])
            data = struct.pack("<Q", len(text)) + text + body
        elif way < 0.62:
            numbers = np.frombuffer(body, np.float32).copy()
            numbers[rng.integers(len(numbers), size=3)] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
            data, done = _joined(json.dumps(head), numbers.tobytes()), "numbers"
        else:
            record, done = damaged_tree(json.loads(head["__metadata__"]["mien"]), rng)
            head["__metadata__"]["mien"] = json.dumps(record)
            data = _joined(json.dumps(head), body)
        path.write_bytes(data)
        return f"{name} {done}", path, exported if rng.random() < 0.1 else answers


def _parted(data: bytes) -> tuple[Any, bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _joined(head: str, body: bytes) -> bytes:
    return struct.pack("<Q", len(head)) + head.encode() + body


def answers(path: Path) -> object:
    """What loaded weights answer to a clip, and where files that are made of them would lie."""
    from mien.engines.cached import engine_file, engine_folder
    from mien.models.zoo import load_model

    model = load_model(path)
    side = model.record.preprocessing.crop_size
    clips = np.random.default_rng(0).integers(0, 256, (1, 2, 3, side, side), dtype=np.uint8)
    probabilities = model.probabilities(clips)
    assert probabilities.shape == (1, len(model.record.labels)), probabilities.shape
    assert np.isfinite(probabilities).all(), probabilities
    assert abs(probabilities.sum() - 1) < 1e-6, probabilities
    made = engine_file(model.record, "onnx").resolve()
    assert made.parent == engine_folder(model.record).resolve(), made
    return model.record.name.encode("utf-8"), [label.encode("utf-8") for label in model.record.labels.labels]


def exported(path: Path) -> object:
    """The record as an exported file carries it."""
    from mien.engines.header import header, read_header
    from mien.models.record import read_record

    texts = header(read_record(path), "float32")
    return read_header(texts, str(path))


class Tables(Kind):
    """Prepared sets and the tables that people write: manifests, boxes, predictions, labels, lists."""

    def make(self) -> None:
        from mien.data.manifest import Manifest, Row

        space, rows = LABEL_SPACES["ferplus"], []
        cv2.imwrite(str(self.folder / "a.png"), picture(1))
        for number in range(12):
            label = space.labels[number % 8]
            votes = tuple(float(value == label) for value in space.labels) if number % 3 == 0 else ()
            rows.append(Row(f"i{number}", "a.png", "image", label, "train", 0, f"s{number % 4}", votes))
        Manifest("toy", space, tuple(rows), self.folder, None, ("made here",)).save(self.folder)
        self.manifest = [line.split(",") for line in (self.folder / "manifest.csv").read_text().splitlines()]
        self.set = json.loads((self.folder / "set.json").read_text())
        self.tables: dict[str, tuple[str, Read]] = {
            "boxes.csv": ("frame,x0,y0,x1,y1,score\n0,1,1,20,20,0.9\n1,2,2,30,30,0.8\n2,1,1,9,9,1\n", boxes),
            "predictions.csv": ("id,target,a,b\nx,a,0.25,0.75\ny,b,0.5,0.5\nz,,1,0\n", predictions),
            "labels.csv": ("id,label\nx,happy\ny,sad\nz,calm\n", labels),
            "list.txt": ("00001.mp4 1\n00002.mp4 2\n00003.mp4 3\n", listed),
        }

    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        if rng.random() < 0.5:
            return self._table(rng, place)
        shutil.copy(self.folder / "a.png", place)
        text, done = (self.folder / "manifest.csv").read_bytes(), ""
        body = (self.folder / "set.json").read_bytes()
        way = rng.random()
        if way < 0.5:
            table, done = damaged_table(self.manifest, rng)
            text = table.encode("utf-8", "surrogatepass")
        elif way < 0.7:
            text, done = damaged(text, rng, [body])
        elif way < 0.9:
            tree, done = damaged_tree(self.set, rng)
            body = json.dumps(tree).encode()
        else:
            body, done = damaged(body, rng, [text])
        (place / "manifest.csv").write_bytes(text)
        (place / "set.json").write_bytes(body)
        return f"manifest {done}", place, manifest

    def _table(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        name = sorted(self.tables)[int(rng.integers(len(self.tables)))]
        text, read = self.tables[name]
        if rng.random() < 0.6:
            table, done = damaged_table([line.split(",") for line in text.splitlines()], rng)
            data = table.encode("utf-8", "surrogatepass")
        else:
            data, done = damaged(text.encode(), rng, [])
        (place / name).write_bytes(data)
        return f"{name} {done}", place / name, read


def manifest(folder: Path) -> object:
    """A prepared set, and the picture of its first row."""
    from mien.data.manifest import load_manifest
    from mien.data.pixels import read_clip

    found = load_manifest(folder)
    targets = found.targets()
    assert np.isfinite(targets).all()
    assert (found.indices() >= -1).all()
    found.save(folder / "again")
    assert load_manifest(folder / "again").rows == found.rows, "it comes back otherwise"
    return [found.folds, *(read_clip(found, row).shape for row in found.rows[:1])]


def boxes(path: Path) -> object:
    """Faces by frame."""
    from mien.faces.given import GivenBoxes

    found = GivenBoxes(path)
    return found.detect(picture(0))


def predictions(path: Path) -> object:
    """Probabilities on items, through a file and back."""
    from mien.evaluation.predictions import load_predictions

    found = load_predictions(path)
    found.save(path.with_name("again.csv"))
    assert load_predictions(path.with_name("again.csv")).ids == found.ids, "they come back otherwise"
    return found.title


def labels(path: Path) -> object:
    """Classes by item."""
    from mien.evaluation.predictions import load_labels

    return load_labels(path)


def listed(path: Path) -> object:
    """Clips and classes of a published set."""
    from mien.data.lists import label_of, read_list

    return [label_of(item, LABELS, path, 1) for item in read_list(path)]


class Runs(Kind):
    """What a killed or damaged training run leaves, and checkpoints of others."""

    def make(self) -> None:
        import torch

        self.states = {step: _state(step) for step in (1, 2, 3)}
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        for step, state in self.states.items():  # not as a draft, whose name would be in the archive
            torch.save(state, self.folder / "checkpoints" / f"step-{step:08d}.pt")
        (self.folder / "log.jsonl").write_text("".join(f'{{"done": {n}, "loss": 0.5}}\n' for n in range(4)))
        torch.save({"model": {"blocks.0.norm1.weight": torch.zeros(8), "head.weight": torch.zeros(3, 8)}}, self.pth)
        self.others = [path.read_bytes() for path in sorted(self.folder.rglob("*.pt"))]

    @property
    def pth(self) -> Path:
        return self.folder / "official.pth"

    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        shutil.copytree(self.folder, place, dirs_exist_ok=True)
        way = rng.random()
        if way < 0.6:
            names = ["step-00000003.pt", "step-00000002.pt"][: 1 + int(rng.random() < 0.3)]
            done = [_spoil(place / "checkpoints" / name, rng, self.others) for name in names]
            return f"checkpoint {done}", place, self.resumed
        if way < 0.75:
            return f"log {_spoil(place / 'log.jsonl', rng, [])}", place, self.resumed
        return f"official {_spoil(place / 'official.pth', rng, self.others)}", place / "official.pth", converted

    def resumed(self, folder: Path) -> object:
        """The state that a resumed run goes on from is one that was saved, to the bit; a passed-over one is said."""
        from mien.training.checkpoints import Checkpoints
        from mien.training.logs import Log

        said: list[dict[str, Any]] = []
        state = Checkpoints(folder / "checkpoints", 3).latest(lambda text: said.append({"warning": text}))
        assert state is not None, "the first checkpoint is whole"
        assert _same(state, self.states[state["step"]]), "another state than was saved"
        assert state["step"] == 3 or said, "a checkpoint was passed over without a word"
        log = Log(folder, said.append, False, True)
        log.forget_after(2)
        for line in (folder / "log.jsonl").read_text("utf-8").splitlines():
            assert json.loads(line).get("done", 0) <= 2, line
        return state["step"]


def _state(step: int) -> dict[str, Any]:
    import torch

    torch.manual_seed(step)
    return {"step": step, "module": {"a": torch.randn(40, 10), "b": torch.randn(7)}, "order": torch.randperm(9)}


def _same(one: Any, other: Any) -> bool:
    import torch

    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _spoil(path: Path, rng: Rng, others: list[bytes]) -> str:
    data, done = damaged(path.read_bytes(), rng, others)
    path.write_bytes(data)
    return done


def converted(path: Path) -> object:
    """Weights of a checkpoint of the released code."""
    from mien.models.convert import convert_checkpoint

    return convert_checkpoint(path, path.parent / "out").path


class Crash(Kind):
    """Ends the process at its second input: how the long run finds such is tested with it."""

    def make(self) -> None:
        pass

    def damage(self, rng: Rng, place: Path) -> tuple[str, Path, Read]:
        number = json.loads((place.parent / "now.json").read_text())["number"]
        return "crash", place, (lambda _: os.abort()) if number == 1 else (lambda _: None)


KINDS: dict[str, type[Kind]] = {"media": Media, "weights": Weights, "tables": Tables, "runs": Runs}
ALL_KINDS: dict[str, type[Kind]] = {**KINDS, "crash": Crash}


@cache
def kind_in(name: str, folder: Path) -> Kind:
    """The kind with its sound files in ``folder``."""
    return ALL_KINDS[name](folder)
