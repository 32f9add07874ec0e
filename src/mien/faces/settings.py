"""What a user can say about finding and following faces."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from mien.core.errors import ConfigError
from mien.core.types import Region


@dataclass(frozen=True)
class FaceSettings:
    """How faces are found, followed and judged readable.

    Raises:
        ConfigError: a value out of range.
    """

    detector: str = "mtcnn"
    """Which detector: mtcnn (needs no file), yunet (faster) and retinaface (both need their ONNX file), or given (boxes
    from a CSV)."""
    detector_file: Path | None = None
    """The ONNX file of yunet or retinaface, or the CSV of given."""
    detect_every: int = 5
    """Frames from one detection to the next; between them boxes follow the picture's motion. Frames more than 0.15 s
    apart each get one."""
    search_every: int = 25
    """Frames from one search of the whole picture to the next, or fewer where something moves beside the known faces.
    Detections in between look only where a face is expected. 1: search in every detection."""
    follow: bool = True
    """Whether searches are four times as rare while faces are known: looks at a small copy of the picture, and at what
    moves beside them, tell whether somebody is new. When one may be, or a face is lost, a search comes at once."""
    detect_height: int = 360
    """Pixels to which a frame's shorter side is shrunk for detection and guidance; smaller frames stay as they are."""
    min_size: float = 24.0
    """Least shorter side of a face's box, in pixels of the source; smaller faces are abstained from."""
    min_sharpness: float = 24.0
    """Least sharpness (quality.py; clear faces have 40 and more); blurrier faces are abstained from."""
    max_yaw: float = 50.0
    """Degrees from frontal; faces turned away further are abstained from."""
    max_gap: float = 1.0
    """Seconds a face may be out of sight and still keep its number, at least two frames that were looked at."""
    region: Region | None = None
    """Look for faces in this part of every picture only: x0,y0,x1,y1 in pixels of the upright picture."""
    crops: bool = False
    """Pictures are face crops already, as of a data set: look for the face's points in them, and take the whole picture
    as the face where none is found. Films are looked at as ever."""

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise ConfigError("detect_every of at least 1 frame", str(self.detect_every), "use 1 to detect always")
        if self.search_every < 1:
            raise ConfigError("search_every of at least 1 frame", str(self.search_every), "use 1 to search always")
        if self.detect_height < 48:
            raise ConfigError("detect_height of at least 48 px", str(self.detect_height), "use 360, or 720 for crowds")
        if min(self.min_size, self.min_sharpness, self.max_gap) < 0:
            raise ConfigError("min_size, min_sharpness and max_gap >= 0", str(self), "use 0 to switch one off")
        if self.region is not None and self.detector == "given":
            raise ConfigError("region or given boxes", "both", "leave the region out: the file says where to look")
        if self.region is not None:
            x0, y0, x1, y1 = self.region
            if not (0 <= x0 < x1 < inf and 0 <= y0 < y1 < inf):
                fix = "give the upper left corner, then the lower right one, in pixels"
                raise ConfigError("a region x0,y0,x1,y1 with 0 <= x0 < x1 and 0 <= y0 < y1", str(self.region), fix)
        if not 0 < self.max_yaw <= 90:
            raise ConfigError("max_yaw in (0, 90] degrees", str(self.max_yaw), "use 90 to switch it off")
