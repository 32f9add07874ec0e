"""Films of several streams whose clocks begin where a test wants: the picture's brightness tells its number."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE, STEP, SIDE = 10, 5, 32


def film(
    path: Path,
    pictures: Sequence[float] = (0.0,),
    sound: float | None = None,
    *,
    count: int = 20,
    seconds: float = 2.0,
    codec: str = "libx264",
    marked: int | None = None,
    options: dict[str, str] | None = None,
    coder: dict[str, str] | None = None,
) -> Path:
    """Write a film at 10 pictures a second.

    Args:
        path: where to; its suffix names the format.
        pictures: when each video stream starts, in seconds; stream k is ``SIDE + 16 k`` pixels wide.
        sound: when the sound starts, None for none.
        count: pictures of every video stream.
        seconds: length of the sound.
        codec: of the pictures.
        marked: the video stream marked as default; None leaves that to the container.
        options: of the container.
        coder: options of the encoder.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        packets = []
        streams = [_video(container, codec, place, marked, coder or {}) for place in range(len(pictures))]
        audio = None if sound is None else container.add_stream("mp2" if path.suffix == ".ts" else "aac", rate=48000)
        for place, (stream, start) in enumerate(zip(streams, pictures, strict=True)):
            packets += _pictures(stream, place, start, count)
        if audio is not None:
            packets += _silence(audio, sound or 0.0, seconds)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def number(image: np.ndarray) -> int:
    """Which picture of its stream this is."""
    return round((float(image.mean()) - 16) / STEP)


def _video(container: av.container.OutputContainer, codec: str, place: int, marked: int | None, coder: dict[str, str]):
    stream = container.add_stream(codec, rate=RATE, options={**({"bf": "0"} if codec == "libx264" else {}), **coder})
    stream.width, stream.height, stream.pix_fmt = SIDE + 16 * place, SIDE, "yuv420p"
    stream.codec_context.time_base = Fraction(1, RATE)
    if marked is not None:
        stream.disposition = av.stream.Disposition.default if place == marked else 0
    return stream


def _pictures(stream: av.VideoStream, place: int, start: float, count: int) -> list[av.Packet]:
    packets = []
    for number in range(count):
        image = np.full((SIDE, SIDE + 16 * place, 3), 16 + STEP * number, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number + round(start * RATE), Fraction(1, RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _silence(stream: av.AudioStream, start: float, seconds: float) -> list[av.Packet]:
    stream.codec_context.layout = "mono"
    stream.codec_context.open(strict=False)
    size, packets = stream.codec_context.frame_size or 1024, []
    for place in range(0, round(seconds * 48000), size):
        frame = av.AudioFrame(stream.codec_context.format.name, "mono", size)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.rate, frame.pts, frame.time_base = 48000, place + round(start * 48000), Fraction(1, 48000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
