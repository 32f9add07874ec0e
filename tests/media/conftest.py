"""Small videos made on the spot: every oddity of real files, without one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_pictures import Encode

TICK = Fraction(1, 60000)


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write pictures as a video with the codec, format and times of one's choice."""

    def write(
        name: str,
        images: Sequence[np.ndarray],
        times: Sequence[float] | None = None,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        given: str = "rgb24",
        turn: tuple[float, bool] | None = None,
        aspect: Fraction | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = pix_fmt
            if times is not None:
                stream.time_base = stream.codec_context.time_base = TICK
            if turn is not None:
                stream.set_display_rotation(turn[0], hflip=turn[1])
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            for number, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, format=given)
                frame.time_base = TICK if times is not None else Fraction(1, 25)
                frame.pts = round(times[number] / TICK) if times is not None else number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write
