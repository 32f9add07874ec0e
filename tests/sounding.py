"""Films with a sound of one's own: pictures, a wave, and when it begins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16_000


def tone(seconds: float, hertz: float, loud: float = 0.3, seed: int | None = None) -> np.ndarray:
    """A tone of a random phase in some noise; without a seed the tone alone."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    if seed is None:
        return loud * np.sin(2 * np.pi * hertz * times)
    return loud * np.sin(2 * np.pi * (hertz * times + rng.random())) + rng.normal(0, 0.02, len(times))


def film_of(path: Path, frames: np.ndarray, wave: np.ndarray | None = None, start: float = 0.0, fps: int = 25) -> Path:
    """Write RGB ``frames`` (t, h, w, 3) and, 16-bit, ``wave`` from ``start`` seconds on; the suffix is .mkv."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"bf": "0", "crf": "18"})
        video.height, video.width, video.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        audio = None if wave is None else container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        packets = []
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None and wave is not None:
            for begin in range(0, len(wave), 1600):
                part = (wave[begin : begin + 1600].clip(-1, 1) * 32767).astype(np.int16)[None]
                heard = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                heard.rate, heard.pts, heard.time_base = RATE, begin + round(start * RATE), Fraction(1, RATE)
                packets += audio.encode(heard)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path
