"""A face parsing net in an ONNX file of a user's: a class for every pixel. None comes with mien.

Sets of 11 to 19 classes are usual, in orders of their own, so the user says which are what. No net knows cheeks or a
chin, which are skin to it: they are cut from the skin along the other parts (:func:`regions_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8

from mien.core.action_units import REGIONS, Region
from mien.core.errors import ConfigError, WeightsError
from mien.faces.crop_file import INPUT_WORDS, CropFile, CropInput, Outputs, input_of, parse_words
from mien.faces.landmarkers import Landmarker
from mien.faces.parsers import Parsed

FLAG = "--parser-file"
EXPECTED = "an ONNX file of a parser with scores (1, classes, h, w) or classes (1, h, w)"
NEEDED = ("skin", "brows", "eyes", "nose", "mouth")
COVERING = ("hair", "glasses", "cover")
USUAL = CropInput(512, "rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""As networks that began with ImageNet are shown pictures."""
MOST_CLASS = 255
Mask = Bool[np.ndarray, "s s"]


class ParserFile:
    """Tells parts apart with a user's network.

    Args:
        path: the ONNX file.
        words: how it takes a crop.
        labels: which of its classes are what, ``NAME=CLASS,CLASS``: the five of :data:`NEEDED`, and :data:`COVERING` as
            far as it knows them.
        find: none: landmarks play no part.

    Raises:
        ConfigError: words or labels that it does not know, a class that is two things, or a landmark net.
        WeightsError: no file there, or not a network OpenCV can read.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        words: Sequence[str] = (),
        labels: Sequence[str] = (),
        find: Landmarker | None = None,
    ) -> None:
        if find is not None:
            raise ConfigError("--landmarker or --parser onnx", "both", "leave one out: it needs no landmarks")
        self.classes = classes_of(labels)
        given = input_of(parse_words(words, INPUT_WORDS, "--parser-input"), USUAL, "--parser-input")
        self._file = CropFile(path, FLAG, EXPECTED, given)

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Parsed:
        """See :class:`mien.faces.parsers.Parser`. Raises WeightsError for other answers, and where it sees no skin, or
        no part of a face, in any of the crops."""
        side = crops.shape[-1]
        outputs = self._file.outputs(crops)
        found = [_enlarged(one, side) for one in self._said(outputs, len(crops))] if len(crops) else []
        parts = [{name: np.isin(one, classes) for name, classes in self.classes.items()} for one in found]
        if parts:
            self._demand_seen(parts)
        regions, shares = [regions_of(one) for one in parts], [covered_shares(one) for one in parts]
        empty = np.zeros((0, side, side), np.bool_)
        return Parsed(
            {name: np.stack([one[name] for one in regions]) if regions else empty for name in REGIONS},
            {name: np.array([one[name] for one in shares]) for name in COVERING if name in self.classes},
        )

    def _demand_seen(self, parts: list[dict[str, Mask]]) -> None:
        """One picture may hide a part; a net that never sees skin, or nothing but skin, was asked the wrong way."""
        skin = any(one["skin"].any() for one in parts)
        if not skin or not any(one[name].any() for one in parts for name in NEEDED[1:]):
            lacking = "skin" if not skin else "brows, eyes, nose or mouth"
            fix = "look at size, mean and std of --parser-input, and at --parser-labels"
            raise WeightsError("a face's skin and parts", f"no {lacking} from {self._file.path}", fix)

    def _said(self, outputs: Outputs, count: int) -> Int64[np.ndarray, "n h w"]:
        most = max(max(classes) for classes in self.classes.values())
        for one in outputs:
            if one.ndim == 4 and len(one) == count and one.shape[1] > 1:
                if one.shape[1] <= most:
                    got = f"{one.shape[1]} classes in {self._file.path}"
                    raise WeightsError(
                        f"a class {most}, as --parser-labels say", got, "correct them: classes are from 0"
                    )
                return np.asarray(one.argmax(1), np.int64)
            if (one.ndim == 3 or (one.ndim == 4 and one.shape[1] == 1)) and len(one) == count:
                return np.rint(one.reshape(count, *one.shape[-2:])).astype(np.int64)
        raise self._file.refused(outputs)


def classes_of(labels: Sequence[str]) -> dict[str, list[int]]:
    """Classes by part. Raises ConfigError for words that do not say each part that is needed, and each class once."""
    flag, fix = "--parser-labels", "write skin=1 brows=2,3 ..., with the numbers of your network's classes"
    words = parse_words(labels, (*NEEDED, *COVERING), flag)
    if missing := [name for name in NEEDED if name not in words]:
        raise ConfigError(f"{flag} for {', '.join(NEEDED)}", f"none for {', '.join(missing)}", fix)
    try:
        found = {name: [int(number) for number in value.split(",")] for name, value in words.items()}
    except ValueError as error:
        raise ConfigError(f"numbers of classes for {flag}", " ".join(labels), fix) from error
    every = [number for numbers in found.values() for number in numbers]
    if len(set(every)) < len(every) or not all(0 <= number <= MOST_CLASS for number in every):
        raise ConfigError(f"classes from 0 to {MOST_CLASS}, each once, for {flag}", " ".join(labels), fix)
    return found


def _enlarged(classes: Int64[np.ndarray, "h w"], side: int) -> Int64[np.ndarray, "s s"]:
    if classes.shape == (side, side):
        return classes
    drawn = cv2.resize(
        classes.clip(-1, MOST_CLASS).astype(np.int16), (side, side), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return np.asarray(drawn, np.int64)


def regions_of(parts: dict[str, Mask]) -> dict[Region, Mask]:
    """The six regions. Brows, eyes, nose and mouth are the parts themselves.

    Cheeks are the skin between the lowest row of the eyes and that of the mouth beside the nose; the chin is the skin
    under the mouth, up to a quarter of its width beside it. Where a part that bounds them is not seen they are empty.
    """
    skin = parts["skin"]
    rows, columns = np.indices(skin.shape)
    cheeks = chin = np.zeros_like(skin)
    if parts["mouth"].any():
        left, right = np.flatnonzero(parts["mouth"].any(0))[[0, -1]]
        bottom, beside = np.flatnonzero(parts["mouth"].any(1))[-1], (right - left) / 4
        chin = skin & (rows > bottom) & (columns >= left - beside) & (columns <= right + beside)
        if parts["eyes"].any() and parts["nose"].any():
            top = np.flatnonzero(parts["eyes"].any(1))[-1]
            first, last = np.flatnonzero(parts["nose"].any(0))[[0, -1]]
            cheeks = skin & (rows > top) & (rows <= bottom) & ((columns < first) | (columns > last))
    return {
        "brows": parts["brows"],
        "eyes": parts["eyes"],
        "nose": parts["nose"],
        "cheeks": cheeks,
        "mouth": parts["mouth"],
        "chin": chin,
    }


def covered_shares(parts: dict[str, Mask]) -> dict[str, float]:
    """Of the face, all that the outline of its seen parts encloses, the share that each thing covers; 0 without one."""
    face = np.logical_or.reduce([parts[name] for name in NEEDED])
    places = np.column_stack(np.nonzero(face)[::-1]).astype(np.int32)
    outline = np.zeros(face.shape, np.uint8)
    if len(places):
        cv2.fillConvexPoly(outline, cv2.convexHull(places)[:, 0], 1)
    inside, area = outline.astype(np.bool_), max(int(outline.sum()), 1)
    return {name: float((parts[name] & inside).sum()) / area for name in COVERING if name in parts}
