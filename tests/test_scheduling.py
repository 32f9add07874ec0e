"""Tests that encode AV1 leave this process where it was."""

import os

import av
import numpy as np
import pytest

from scheduling import ordinary


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="a system without these policies")
def test_the_encoder_of_av1_is_undone(tmp_path) -> None:
    with av.open(str(tmp_path / "one.mp4"), "w") as container:
        film = container.add_stream("libsvtav1", rate=25, width=64, height=64, pix_fmt="yuv420p")
        container.mux(film.encode(av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")))
        container.mux(film.encode(None))
    ordinary()
    assert os.sched_getscheduler(0) not in (os.SCHED_FIFO, os.SCHED_RR)
