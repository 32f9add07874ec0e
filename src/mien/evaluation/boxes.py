"""Boxes with labels against the truth: mean average precision, as detectors of faces with expressions report it.

Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, for average precision: the whole area
under the curve of precision over recall, made monotone, as since their devkit of 2010. Lin et al., "Microsoft COCO",
ECCV 2014, for the thresholds of overlap and for the matching: the surest box first, each to the true box of its picture
and label that it overlaps most among those not yet found. COCO's tools take 101 points of the curve, which gives
figures a little apart. Unlike there, no box is difficult or a crowd, and a picture may have any number of them.

mien finds, aligns and names faces one after the other; together that answers as a detector in one stage does, and
``mien evaluate --boxes TRUTH FOUND`` measures both alike.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.errors import DataError
from mien.core.labels import canonical
from mien.core.sheets import read_rows
from mien.evaluation.report import percent, write_report

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Of overlap, COCO's."""
CORNERS = ("x0", "y0", "x1", "y1")
PROBABILITY = "p_"
"""Before a label in the head of frames.csv."""


@dataclass(frozen=True, eq=False)
class LabelledBoxes:
    """Boxes on pictures, in any order.

    Attributes:
        images: name or frame number of each box's picture.
        boxes: left, top, right, bottom, pixels.
        labels: of each box, in mien's spelling.
        scores: the larger the surer; of true boxes unread.
        empty: pictures that were looked at too and have no box.
    """

    images: tuple[str, ...]
    boxes: Float64[np.ndarray, "n 4"]
    labels: tuple[str, ...]
    scores: Float64[np.ndarray, " n"]
    empty: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.boxes.shape != (n, 4) or len(self.labels) != n or self.scores.shape != (n,):
            got = f"{n} images, boxes {self.boxes.shape}, {len(self.labels)} labels, scores {self.scores.shape}"
            raise DataError("a box, a label and a score for each image named", got, "give as many of each")
        if not np.isfinite(self.boxes).all() or not np.isfinite(self.scores).all():
            raise DataError("finite boxes and scores", "NaN or infinity", "remove those rows")
        flat = np.flatnonzero((self.boxes[:, 2:] <= self.boxes[:, :2]).any(1))
        if len(flat):
            got = f"{self.boxes[flat[0]].tolist()} on {self.images[flat[0]]}"
            raise DataError("x1 > x0 and y1 > y0", got, "give corners, not width and height")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class BoxReport:
    """Average precision of boxes with labels.

    Attributes:
        labels: those that the true boxes have, sorted.
        true: number of true boxes of each.
        found: number of boxes found of each.
        precision: average precision by label and threshold of :data:`THRESHOLDS`, in [0, 1].
        faces: the same of all boxes as if they had one label: what finding alone reaches.
        others: boxes found with labels that no true box has. They count in no label's precision, as in COCO.
        elsewhere: boxes found on pictures that the truth does not name; left out.
    """

    labels: tuple[str, ...]
    true: tuple[int, ...]
    found: tuple[int, ...]
    precision: Float64[np.ndarray, "c t"]
    faces: Float64[np.ndarray, " t"]
    others: int
    elsewhere: int

    @property
    def map50(self) -> float:
        """Mean over the labels at an overlap of .5, in [0, 1]."""
        return float(self.precision[:, 0].mean())

    @property
    def map(self) -> float:
        """Mean over the labels and all thresholds, .5 to .95, in [0, 1]."""
        return float(self.precision.mean())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        rows = zip(self.labels, self.true, self.found, self.precision, strict=True)
        return {
            "map50": self.map50,
            "map50_95": self.map,
            "faces": {"ap50": float(self.faces[0]), "ap50_95": float(self.faces.mean())},
            "labels": {
                label: {"true": true, "found": found, "ap50": float(ap[0]), "ap50_95": float(ap.mean())}
                for label, true, found, ap in rows
            },
            "found_with_other_labels": self.others,
            "found_on_other_pictures": self.elsewhere,
        }

    def to_markdown(self) -> str:
        """A row a label, then their mean, then the boxes alone; in percent."""
        lines = ["| label | true | found | AP .5 | AP .5 to .95 |", "|---|---|---|---|---|"]
        rows = [*zip(self.labels, self.true, self.found, self.precision, strict=True)]
        rows += [("mean", sum(self.true), sum(self.found), self.precision.mean(0))]
        rows += [("boxes alone", sum(self.true), sum(self.found) + self.others, self.faces)]
        lines += [
            f"| {label} | {true} | {found} | {percent(ap[0])} | {percent(ap.mean())} |"
            for label, true, found, ap in rows
        ]
        if self.others:
            lines += ["", f"{self.others} boxes with labels that the truth does not have count in the last row alone."]
        if self.elsewhere:
            lines += ["", f"{self.elsewhere} boxes on pictures that the truth does not name are left out."]
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write report.json and report.md."""
        write_report(self, folder)


def measure_boxes(true: LabelledBoxes, found: LabelledBoxes) -> BoxReport:
    """Average precision at every threshold, by label and over all.

    Args:
        true: every face of the pictures looked at, and which show none; what is found on others is left out.
        found: with scores; of equally sure boxes the first comes first.

    Raises:
        DataError: no true box, or not one picture in common.
    """
    if not len(true):
        raise DataError("at least one true box", "none", "check the table of the truth")
    seen = {*true.images, *true.empty}
    if len(found) and not seen & set(found.images):
        got = f"{true.images[0]} in the truth, {found.images[0]} among those found"
        raise DataError("pictures with the same names in both tables", got, "name them alike")
    elsewhere = len(found)
    found = _only(found, [place for place, image in enumerate(found.images) if image in seen])
    elsewhere -= len(found)
    labels = tuple(sorted(set(true.labels)))
    curves = [average_precision(_with_label(true, label), _with_label(found, label)) for label in labels]
    counts = [tuple(boxes.labels.count(label) for label in labels) for boxes in (true, found)]
    others = len(found) - sum(counts[1])
    faces = average_precision(true, found)
    return BoxReport(labels, counts[0], counts[1], np.stack(curves), faces, others, elsewhere)


def average_precision(true: LabelledBoxes, found: LabelledBoxes) -> Float64[np.ndarray, " t"]:
    """At every threshold of :data:`THRESHOLDS`, in [0, 1], whatever the labels; NaN without a true box."""
    if not len(true):
        return np.full(len(THRESHOLDS), np.nan)
    order = np.argsort(-found.scores, kind="stable")
    places = defaultdict(list)
    for place, image in enumerate(true.images):
        places[image].append(place)
    candidates = [np.array(places[found.images[which]], int) for which in order]
    overlaps = [overlap(found.boxes[which], true.boxes[of]) for which, of in zip(order, candidates, strict=True)]
    area = []
    for threshold in THRESHOLDS:
        free, right = np.ones(len(true), bool), np.zeros(len(order), bool)
        for rank, (of, shares) in enumerate(zip(candidates, overlaps, strict=True)):
            open_shares = np.where(free[of], shares, -1.0)
            if len(of) and open_shares.max() >= threshold:
                free[of[open_shares.argmax()]], right[rank] = False, True
        area.append(_area(right, len(true)))
    return np.array(area)


def overlap(box: Float64[np.ndarray, " 4"], others: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, " n"]:
    """Area of the intersection with each of the others, as a share of that of the union, in [0, 1]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = sides.clip(0).prod(1)
    shares: Float64[np.ndarray, " n"] = both / (
        (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - both
    )
    return shares


def _area(right: Bool[np.ndarray, " n"], true: int) -> float:
    """Under the curve of precision over recall, where each precision is the best at that recall or a higher one."""
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / true)


def _with_label(boxes: LabelledBoxes, label: str) -> LabelledBoxes:
    return _only(boxes, [place for place, one in enumerate(boxes.labels) if one == label])


def _only(boxes: LabelledBoxes, keep: list[int]) -> LabelledBoxes:
    images, labels = (tuple(names[place] for place in keep) for names in (boxes.images, boxes.labels))
    return LabelledBoxes(images, boxes.boxes[keep], labels, boxes.scores[keep])


def load_boxes(path: Path, scored: bool) -> LabelledBoxes:
    """Read a table of boxes.

    Args:
        path: a CSV file with ``image`` (or ``frame``, a number), ``x0``, ``y0``, ``x1``, ``y1`` in pixels, ``label``,
            and ``score`` where ``scored``. Or mien's own frames.csv: a face then counts with its likeliest expression,
            as sure as that times ``detector_score``, also where the span is unclear; a face that could not be read is
            left out. In a table of the truth a row with a picture alone says that it shows no face.
        scored: whether scores are needed: of what was found, not of the truth.

    Raises:
        DataError: no such table, or a row that is no box; it names the line or the picture.
    """
    images, boxes, labels, scores, empty = [], [], [], [], []
    needed = ("image", *CORNERS, "label", *(["score"] if scored else []))
    for line, row in read_rows(path, needed, other_names={"frame": "image"}):
        if not scored and not any(row[name] for name in (*CORNERS, "label")):
            empty.append(row["image"])
            continue
        try:
            said = _said(row, scored)
            corners = [float(row[name]) for name in CORNERS]
        except ValueError as error:
            raise DataError("numbers", f"{error} at {path}, line {line}", "mend or remove the line") from error
        if said is None:
            continue
        if not said[0]:
            raise DataError("a label for every box", f"none at {path}, line {line}", "mend or remove the line")
        images.append(row["image"])
        boxes.append(corners)
        labels.append(said[0])
        scores.append(said[1])
    corners_of = np.array(boxes, float).reshape(-1, 4)
    return LabelledBoxes(tuple(images), corners_of, tuple(labels), np.array(scores, float), tuple(empty))


def _said(row: dict[str, str], scored: bool) -> tuple[str, float] | None:
    """Label and score of a row; None for a face of frames.csv that could not be read."""
    shares = {name.removeprefix(PROBABILITY): value for name, value in row.items() if name.startswith(PROBABILITY)}
    if not scored or not shares:
        return canonical(row["label"]), float(row["score"]) if scored else 1.0
    if not all(shares.values()):
        return None
    label = max(shares, key=lambda name: float(shares[name]))
    return canonical(label), float(shares[label]) * float(row.get("detector_score") or 1.0)
