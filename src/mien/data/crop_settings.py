"""What a user can say about the crops of a prepared set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import ConfigError
from mien.faces.settings import FaceSettings

_FACES = FaceSettings()


@dataclass(frozen=True)
class CropSettings:
    """How faces are found and cropped; all else is as in analysis.

    Raises:
        ConfigError: a value out of range.
    """

    size: int = 224
    """Side of the face crops in pixels."""
    frames: int | None = None
    """Most crops of a clip, spread evenly over it; all by default."""
    keep_uncropped: bool = False
    """Take the middle of a picture in which no face is found; such items are left out otherwise."""
    detector: str = _FACES.detector
    """Which detector: mtcnn (needs no file), yunet (faster) or retinaface (both need their ONNX file)."""
    detector_file: Path | None = None
    """The ONNX file of yunet or retinaface."""
    detect_every: int = _FACES.detect_every
    """Frames from one detection to the next; between them boxes follow the picture's motion."""
    detect_height: int = _FACES.detect_height
    """Pixels to which a frame's shorter side is shrunk for detection; smaller frames stay as they are."""

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 1024:
            raise ConfigError("crops of 16 to 1024 pixels", str(self.size), "use 224")
        if self.frames is not None and self.frames < 1:
            raise ConfigError("at least 1 frame of a clip", str(self.frames), "leave it out to keep all")
        if self.detector == "given":
            raise ConfigError("a detector that finds faces", "boxes that were given", "use mtcnn or yunet")
        _ = self.faces  # its own checks

    @property
    def faces(self) -> FaceSettings:
        """As the room of faces takes them. Its gates of quality play no part: a label holds for the whole clip."""
        return FaceSettings(
            detector=self.detector,
            detector_file=self.detector_file,
            detect_every=self.detect_every,
            detect_height=self.detect_height,
        )
