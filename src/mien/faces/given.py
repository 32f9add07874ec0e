"""Boxes that a user brings: from another detector, an annotation, or mien's own ``frames.csv``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mien.core.errors import DataError
from mien.core.sheets import read_rows
from mien.core.types import Face, Frame
from mien.faces.align import points_in_box

BOX_COLUMNS = ("x0", "y0", "x1", "y1")
POINT_COLUMNS = tuple(
    f"{place}_{axis}" for place in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"
)

Rows = Sequence[Sequence[float]]


class GivenBoxes:
    """Faces by frame number. They are taken as complete and true: a frame without boxes shows no face.

    Args:
        path: a CSV with a header: ``index`` (or ``frame``), ``x0``, ``y0``, ``x1``, ``y1`` in pixels, and where known
            ``score`` (or ``detector_score``, as in mien's own ``frames.csv``) and ``left_eye_x``, ``left_eye_y``,
            ``right_eye_x``, ... ``right_mouth_y`` (left and right as in the picture). Other columns are ignored.
        boxes: instead of a file, frame number -> rows of 4 numbers (the box) or 14 (the box, then five points x, y).
            Without points they are placed by :func:`points_in_box`: right for upright frontal faces only.

    Raises:
        DataError: neither or both given, a column missing, or a row that is no box; it names the line.
    """

    name = "given"

    def __init__(self, path: str | Path | None = None, boxes: Mapping[int, Rows] | None = None) -> None:
        if (path is None) == (boxes is None):
            raise DataError("either a CSV file or a mapping of boxes", "both or neither", "give one of the two")
        self._faces = _read(Path(path)) if path is not None else _faces_of(boxes or {})

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """The faces of frame 0: a single picture is a source of one frame."""
        return list(self._faces.get(0, ()))

    def detect_frame(self, frame: Frame) -> list[Face]:
        """The faces given for this frame's number."""
        return list(self._faces.get(frame.index, ()))


def _faces_of(boxes: Mapping[int, Rows]) -> dict[int, list[Face]]:
    return {index: [_face(row, 1.0, f"frame {index}") for row in rows] for index, rows in boxes.items()}


def _face(row: Sequence[float], score: float, place: str) -> Face:
    """A face of 4 or 14 numbers; ``place`` tells the user where a bad one is."""
    numbers = np.asarray(row, np.float32)
    if numbers.shape not in {(4,), (14,)} or not np.isfinite([*numbers, score]).all():
        raise DataError("4 or 14 finite numbers", f"{list(row)} at {place}", "give x0, y0, x1, y1 and maybe points")
    box = numbers[:4]
    if not (box[2:] > box[:2]).all():
        raise DataError("x1 > x0 and y1 > y0", f"{box.tolist()} at {place}", "give corners, not width and height")
    return Face(box, score, numbers[4:].reshape(5, 2) if len(numbers) == 14 else points_in_box(box))


def _read(path: Path) -> dict[int, list[Face]]:
    """Faces of a CSV file by frame number."""
    faces: dict[int, list[Face]] = defaultdict(list)
    for line, row in read_rows(path, ("index", *BOX_COLUMNS), other_names={"frame": "index"}, ragged=True):
        place = f"{path}, line {line}"
        wanted = BOX_COLUMNS + (POINT_COLUMNS if set(POINT_COLUMNS) <= set(row) else ())
        try:
            numbers = [float(row[name]) for name in wanted]
            index, score = int(row["index"]), float(row.get("score") or row.get("detector_score") or 1.0)
        except ValueError as error:
            raise DataError("numbers", f"{error} at {place}", "mend or remove the line") from error
        faces[index].append(_face(numbers, score, place))
    return dict(faces)
