"""One real face, and a room of invented ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.core.types import Face, Frame
from mien.faces.align import points_in_box


@pytest.fixture(scope="session")
def astronaut(portrait):
    """512x512 RGB still of one smiling face."""
    return portrait


@pytest.fixture(scope="session")
def astronaut_points():
    """The five points of that face, placed by eye."""
    return np.array([[203, 103], [246, 105], [224, 131], [204, 145], [244, 146]], np.float32)


@pytest.fixture(scope="session")
def other(astronaut):
    """A second person: the same head with other colours, hair and skin swapped in brightness."""
    turned = 255 - astronaut[:, ::-1, ::-1]
    return np.ascontiguousarray(turned)


def face(x, y, size=50.0, score=1.0, points=True):
    """An upright face with its centre at x, y."""
    box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2], np.float32)
    return Face(box, score, points_in_box(box) if points else np.full((5, 2), np.nan, np.float32))


def clip(pictures, rate=25.0):
    """Frames of a list of pictures at a steady rate."""
    return [Frame(index, index / rate, picture) for index, picture in enumerate(pictures)]


def warped(image, motion, width=512, height=512):
    """``image`` after an affine motion (2, 3)."""
    return cv2.warpAffine(image, motion[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class FakeDetector:
    """Answers with what it is told for each call, and counts the calls."""

    name = "fake"

    def __init__(self, answer):
        self.answer, self.images = answer, []

    def detect(self, image):
        self.images.append(image)
        return self.answer(image, len(self.images) - 1)


@pytest.fixture(scope="session")
def make():
    """The builders above, for tests to call."""

    class Make:
        pass

    Make.face, Make.clip, Make.warped, Make.FakeDetector = (
        staticmethod(face),
        staticmethod(clip),
        staticmethod(warped),
        FakeDetector,
    )
    return Make
