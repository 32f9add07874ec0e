"""What following faces with few searches costs and changes, against searching the whole picture at every detection.

    python benchmarks/following.py FOLDER [--model head.npz]

Every film in FOLDER is analysed four times by the default weights: with a search in every detection, without
``follow``, with it in every frame, and as it is by default, in as many frames as windows need. One thread; CPU seconds
of decoding and of finding and following faces. Tracks, boxes and labels are compared with those of the first way;
labels on frames that either way names (the others are "unclear"). With a morphable head (docs/rendered-people.md) the
four ways also follow rendered people in the scenes of scenes.py, whose boxes are known.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scenes
from rounds import use_threads

import mien
from mien import media
from mien.analysis.reading import see
from mien.core.types import FaceCrop
from mien.faces.boxes import iou
from mien.faces.mtcnn import Mtcnn
from mien.faces.settings import FaceSettings
from mien.models.record import shipped_records

WAYS = {
    "--search-every 1": mien.AnalysisSettings(FaceSettings(search_every=1), sparse=False),
    "--no-follow": mien.AnalysisSettings(FaceSettings(follow=False), sparse=False),
    "--no-sparse": mien.AnalysisSettings(sparse=False),
    "default": mien.AnalysisSettings(),
}
RECORD = shipped_records()[0]
FILMS = (".mp4", ".mov", ".mkv", ".avi", ".webm")


class Counting(Mtcnn):
    """Counts the pixels that it looks through."""

    pixels = 0

    def detect(self, image):
        """As Mtcnn's."""
        self.pixels += image.shape[0] * image.shape[1]
        return super().detect(image)


@dataclass(frozen=True)
class Seen:
    """What one way makes of a film: seconds up to the faces, megapixels looked through, and what was seen where."""

    seconds: float
    pixels: float
    boxes: dict[tuple[int, int], np.ndarray]
    probabilities: dict[tuple[int, int], np.ndarray]


def look(film: Path, model: mien.ExpressionModel, settings: mien.AnalysisSettings) -> Seen:
    """Analyse ``film``, and find its faces once more, alone."""
    frames = model.analyze(film, settings).frames
    keys = list(zip(frames.column("index").tolist(), frames.column("track").tolist(), strict=True))
    detector, start = Counting(), time.process_time()
    with media.open(film) as source:
        source.lazy = settings.sparse
        for _ in see(source, model.record, settings, detector):
            pass
    seconds = time.process_time() - start
    boxes, rows = frames.column("box"), frames.column("probabilities")
    return Seen(seconds, detector.pixels / 1e6, dict(zip(keys, boxes, strict=True)), dict(zip(keys, rows, strict=True)))


def row(way: str, seen: Seen, always: Seen, threshold: float) -> str:
    """How ``seen`` compares with searching always."""
    tracks = len({track for _, track in seen.boxes})
    text = f"{way:<17} {seen.seconds:5.2f} CPU s, {seen.pixels:5.1f} megapixels, {tracks} tracks"
    both = sorted(seen.boxes.keys() & always.boxes.keys())
    if not both:
        return text
    overlap = np.array([iou(seen.boxes[key][None], always.boxes[key][None])[0, 0] for key in both])
    mine, theirs = (np.nan_to_num(np.stack([one.probabilities[key] for key in both])) for one in (seen, always))
    named = np.maximum(mine.max(1), theirs.max(1)) >= threshold
    same = (mine.argmax(1) == theirs.argmax(1))[named].sum()
    shared = len(both) / max(len(always.boxes), len(seen.boxes))
    text += f"; {100 * shared:.1f} % of faces shared, overlap {np.median(overlap):.2f} ({overlap.min():.2f} at least)"
    return f"{text}, labels {same} of {named.sum()}"


def rendered(model: Path) -> list[str]:
    """What the ways find of rendered people."""
    cuts, rows = scenes.cut_outs(model), []
    total = {way: np.zeros(4) for way in WAYS}
    for name in scenes.SCENES:
        frames, truth = zip(*scenes.scene(cuts, name), strict=True)
        for way, settings in WAYS.items():
            detector, start = Counting(), time.process_time()
            out = [seen for seen in see(frames, RECORD, settings, detector) if seen.frame is not None]
            seconds = time.process_time() - start
            numbers = len({crop.track for seen in out for crop in seen.crops})
            found = sum(hits(seen.crops, boxes) for seen, boxes in zip(out, truth, strict=True))
            total[way] += found, numbers, detector.pixels / 1e6, seconds
            shown = sum(map(len, truth))
            rows.append(f"  {name}, {way}: {found} of {shown} faces, {numbers} numbers, {seconds:.2f} CPU s")
    for way, (found, numbers, pixels, seconds) in total.items():
        rows.append(
            f"  all, {way}: {found:.0f} faces, {numbers:.0f} numbers, {pixels:.1f} megapixels, {seconds:.1f} CPU s"
        )
    return rows


def hits(crops: list[FaceCrop], truth: dict[int, np.ndarray]) -> int:
    """How many of the faces that are there were found."""
    if not crops or not truth:
        return 0
    overlap = iou(np.stack(list(truth.values())), np.stack([crop.face.box for crop in crops]))
    return int((overlap.max(1) > 0.4).sum())


def measure(folder: Path) -> list[str]:
    """The rows of the table."""
    use_threads(1)
    model, rows = mien.load(trial=True), []
    total = dict.fromkeys(WAYS, 0.0)
    for film in sorted(path for path in folder.iterdir() if path.suffix in FILMS):
        seen = {way: look(film, model, settings) for way, settings in WAYS.items()}
        always = seen["--search-every 1"]
        rows.append(f"  {film.name}")
        rows += [f"    {row(way, one, always, model.record.calibration.threshold)}" for way, one in seen.items()]
        total = {way: total[way] + one.seconds for way, one in seen.items()}
    for before in ("--no-follow", "--no-sparse"):
        times = total[before] / max(total["default"], 1e-9)
        rows.append(f"  decoding and faces, default against {before}: {times:.2f} x as fast over all films")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="a morphable head: also follow rendered people")
    given = parser.parse_args()
    print("\n".join(measure(given.folder)))
    if given.model is not None:
        print("\n".join(rendered(given.model)))
