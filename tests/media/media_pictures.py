"""Test pictures whose orientation can be read off their corners."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

Encode = Callable[..., Path]
"""The fixture that writes pictures as a video."""


def quarters(height: int, width: int) -> np.ndarray:
    """A picture that tells every mirroring and turn apart: red, green, blue, white quarters."""
    image = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[:top, :left], image[:top, left:] = (255, 0, 0), (0, 255, 0)
    image[top:, :left], image[top:, left:] = (0, 0, 255), (255, 255, 255)
    return image


def corners(image: np.ndarray) -> str:
    """The colours of a picture's four quarters, row by row, as letters: R G B W, ? for none of them."""
    height, width = image.shape[:2]
    names = {(255, 0, 0): "R", (0, 255, 0): "G", (0, 0, 255): "B", (255, 255, 255): "W"}
    found = ""
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            near = [name for colour, name in names.items() if np.abs(image[y, x].astype(int) - colour).max() < 40]
            found += near[0] if near else "?"
    return found


def tiff(value: int, order: str = "<") -> bytes:
    """The smallest EXIF block: one directory, two entries, the second of them the orientation."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    other = struct.pack(order + "HHII", 0x010E, 4, 1, 7)
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, value, 0)
    return head + struct.pack(order + "H", 2) + other + entry + struct.pack(order + "I", 0)


def jpeg(image: np.ndarray, value: int, order: str = "<") -> bytes:
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    block = b"Exif\0\0" + tiff(value, order)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
