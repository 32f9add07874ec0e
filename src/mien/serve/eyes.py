"""Live frames in the child: a picture comes, the faces in it as they look now go back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from mien.core.child import Answer, Tell
from mien.core.errors import InputError, SourceError
from mien.core.types import Frame
from mien.serve.settings import ServeSettings
from mien.serve.work import bound_pictures

if TYPE_CHECKING:
    from mien.analysis.current import Now
    from mien.analysis.expressions import ExpressionModel

JPEG, WEBP = b"\xff\xd8\xff", b"WEBP"


@dataclass(frozen=True)
class Glance:
    """A question to the child.

    Attributes:
        camera: number of the connection.
        time: seconds on its clock.
        image: a JPEG or WebP file; None: the connection is over.
    """

    camera: int
    time: float
    image: bytes | None


def watcher(settings: ServeSettings) -> Answer:
    """Role: a :class:`Glance` to a list with the fields of a :class:`mien.serve.schemas.LiveFace` for every face."""
    bound_pictures(settings)
    from mien.analysis.expressions import load

    model = load(settings.model, prior=settings.prior, signals=settings.signals)
    cameras: dict[int, _Camera] = {}

    def answer(glance: Glance, _: Tell) -> list[dict[str, Any]]:
        if glance.image is None:
            if glance.camera in cameras:
                cameras.pop(glance.camera).close()
            return []
        image = decode(glance.image)
        if glance.camera not in cameras:
            cameras[glance.camera] = _Camera(model)
        try:
            return cameras[glance.camera].look(glance.time, image)
        except BaseException:
            cameras.pop(glance.camera).close()
            raise

    return answer


def decode(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """The RGB pixels of a JPEG or WebP file; raises SourceError for anything else."""
    import cv2

    known = data.startswith(JPEG) or data[8:12] == WEBP
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if known else None
    except cv2.error:
        picture = None
    if picture is None:
        fix = "send what canvas.toBlob(..., 'image/jpeg') gives"
        raise SourceError("a whole JPEG or WebP picture of a permitted size", f"{len(data)} other bytes", fix)
    return np.ascontiguousarray(picture[:, :, ::-1])


class _Camera:
    """One stream through the model, pushed frame by frame.

    The model pulls frames and holds one back while a new face is unconfirmed. A client that waits for an answer before
    it sends its next frame would wait for ever, so every frame is answered at once: as soon as the model asks for the
    next one, what it has not answered has no faces yet.
    """

    def __init__(self, model: ExpressionModel) -> None:
        self._labels, self._signals = model.record.labels.labels, model.record.signals
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[list[dict[str, Any]] | Exception] = queue.SimpleQueue()
        self._index, self._open = 0, -1
        threading.Thread(target=self._run, args=(model,), daemon=True).start()

    def look(self, time: float, image: UInt8[np.ndarray, "h w 3"]) -> list[dict[str, Any]]:
        """The faces in this frame."""
        self._frames.put(Frame(self._index, time, image))
        self._index += 1
        answer = self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """End the stream."""
        self._frames.put(None)

    def _run(self, model: ExpressionModel) -> None:
        try:
            for now in model.live(self._pull()):
                self._reply(now)
        except InputError as error:
            self._answers.put(error)
        except Exception as error:
            self._answers.put(RuntimeError(f"{type(error).__name__}: {error}"))

    def _pull(self) -> Iterator[Frame]:
        while (frame := self._frames.get()) is not None:
            self._open = frame.index
            yield frame
            if self._open >= 0:
                self._open = -1
                self._answers.put([])

    def _reply(self, now: Now) -> None:
        if now.frame is not None and now.frame.index == self._open:
            self._open = -1
            self._answers.put([face.to_dict(self._labels, self._signals) for face in now.faces])
