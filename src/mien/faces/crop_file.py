"""An ONNX file of a user's that looks at aligned crops: how pixels go in, and what comes out. OpenCV runs it.

Landmark nets, parsers and embedders that users bring differ in how they want their pixels; that is said in a few words
(``size=256 colours=bgr mean=0.485,0.456,0.406 std=0.229,0.224,0.225``), for a file does not say it itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mien.core.checks import real
from mien.core.errors import ConfigError, WeightsError
from mien.core.forks import library_work
from mien.core.registry import did_you_mean
from mien.media.quiet import quiet_opencv

Crops = UInt8[np.ndarray, "n 3 a b"]
Outputs = list[Float32[np.ndarray, "..."]]
LEAST_SIZE, MOST_SIZE = 16, 2048
COLOURS = ("rgb", "bgr")


@dataclass(frozen=True)
class CropInput:
    """What a network is shown of a crop: (x - mean) / std, where x is in [0, 1].

    Attributes:
        size: side in pixels to which a crop is brought, 16 to 2048.
        colours: the order of the channels.
        mean: of every channel in that order, or one for all.
        std: likewise, above 0.

    Raises:
        ConfigError: a value out of range.
    """

    size: int = 112
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        fix = "correct it, or leave it out"
        if not LEAST_SIZE <= self.size <= MOST_SIZE:
            raise ConfigError(f"size of {LEAST_SIZE} to {MOST_SIZE} pixels", str(self.size), fix)
        if self.colours not in COLOURS:
            raise ConfigError("colours=rgb or colours=bgr", repr(self.colours), fix)
        for name, values, least in (("mean", self.mean, -1e3), ("std", self.std, 1e-6)):
            if len(values) not in (1, 3):
                raise ConfigError(f"one {name} or three with commas between them", f"{len(values)}", fix)
            for value in values:
                real(name, value, least, 1e3)

    def blob(self, crop: UInt8[np.ndarray, "3 a b"]) -> Float32[np.ndarray, "1 3 h h"]:
        """A crop as the network takes it."""
        way = cv2.INTER_AREA if min(crop.shape[1:]) > self.size else cv2.INTER_LINEAR
        image = np.ascontiguousarray(crop.transpose(1, 2, 0))
        if image.shape[:2] != (self.size, self.size):
            image = cv2.resize(image, (self.size, self.size), interpolation=way)
        ordered = image if self.colours == "rgb" else image[..., ::-1]
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        scaled = (ordered.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(scaled.transpose(2, 0, 1))[None]


def parse_words(words: Sequence[str], known: Sequence[str], flag: str) -> dict[str, str]:
    """``NAME=VALUE`` words by name. Raises ConfigError for a word that is none, a stranger, or a name twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value or name not in known:
            fix = did_you_mean(name, list(known)) if name not in known else f"write {name}=VALUE"
            raise ConfigError(f"NAME=VALUE for {flag}", repr(word), fix)
        if name in found:
            raise ConfigError(f"every name once for {flag}", f"{name} twice", "leave one out")
        found[name] = value
    return found


def input_of(words: Mapping[str, str], usual: CropInput, flag: str) -> CropInput:
    """``usual`` with what ``words`` say of size, colours, mean and std. Raises ConfigError for what cannot be read."""
    changes: dict[str, Any] = {}
    for name, value in words.items():
        try:
            if name == "size":
                changes[name] = int(value)
            elif name == "colours":
                changes[name] = value
            elif name in ("mean", "std"):
                changes[name] = tuple(float(part) for part in value.split(","))
        except ValueError as error:
            raise ConfigError(f"a number for {name} of {flag}", repr(value), "correct it, or leave it out") from error
    return replace(usual, **changes)


INPUT_WORDS = ("size", "colours", "mean", "std")


class CropFile:
    """One network. Threads that share one take turns; in another process it is opened anew.

    Args:
        path: the ONNX file.
        flag: that named it, for errors.
        expected: what the file should be, for errors.
        given: what it is shown.

    Raises:
        WeightsError: no file there, or not a network OpenCV can read.
    """

    def __init__(self, path: str | Path | None, flag: str, expected: str, given: CropInput) -> None:
        if path is None or not Path(path).is_file():
            raise WeightsError(expected, f"no file {path or 'given'}", f"name it with {flag}")
        self.path, self.flag, self.expected, self.given = Path(path), flag, expected, given
        self._open()

    def _open(self) -> None:
        self._turn = threading.Lock()
        try:
            with library_work, quiet_opencv():
                self._network = cv2.dnn.readNetFromONNX(str(self.path))
        except cv2.error as error:
            raise WeightsError(self.expected, f"{self.path}: {error.err}", "export the network again") from error

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_turn", "_network")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def outputs(self, crops: Crops) -> Outputs:
        """What the network says, an array an output and a row a crop; crops go in one by one.

        Raises:
            WeightsError: it does not take such a picture, or what it says are no numbers.
        """
        rows: list[Outputs] = []
        for crop in crops:
            blob = self.given.blob(crop)
            try:
                with library_work, self._turn, quiet_opencv():
                    self._network.setInput(blob)
                    said = self._network.forward(self._network.getUnconnectedOutLayersNames())
            except cv2.error as error:
                got = f"{self.path} does not take {blob.shape}: {error.err}"
                raise WeightsError(self.expected, got, f"say its size: {self.words_flag} size=PIXELS") from error
            if not all(np.isfinite(one).all() for one in said):
                raise WeightsError(self.expected, f"{self.path}: NaN or infinity", "check its mean and std")
            rows.append([np.array(one) for one in said])
        return [np.concatenate(one) for one in zip(*rows, strict=True)]

    @property
    def words_flag(self) -> str:
        """The flag that says how pixels go in."""
        return self.flag.replace("-file", "-input")

    def refused(self, said: Outputs) -> WeightsError:
        """What to raise where the outputs are others than expected."""
        return WeightsError(self.expected, f"{self.path} with {[one.shape for one in said]}", "export it with these")
