"""A contact sheet: what a set looks like on one page, to be looked at before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.data.manifest import Manifest, Row
from mien.data.people.exact import Exact
from mien.data.people.settings import SHEETS
from mien.data.pixels import read_clip

Page = UInt8[np.ndarray, "h w 3"]

COLUMNS, CELL, MARGIN = 14, 112, 92
ROWS_A_LABEL = 2
"""Of clips; pictures have one row a label."""
BLACK, WHITE = (0, 0, 0), 255


def draw_sheet(manifest: Manifest, exact: Exact) -> Page:
    """A row of pictures a label, from the weakest to the strongest, or some clips a label; RGB."""
    rows = []
    strength = exact.strength.astype(np.float32).max(1)
    labels = manifest.indices()
    for number, label in enumerate(manifest.labels.labels):
        here = np.flatnonzero(labels == number)
        if not len(here):
            continue
        here = here[np.argsort(strength[here], kind="stable")]
        if exact.strength.shape[1] == 1:
            chosen = here[np.unique(np.linspace(0, len(here) - 1, COLUMNS).round().astype(int))]
            faces = [read_clip(manifest, manifest.rows[place])[0] for place in chosen]
            rows.append(_row(label, f"{strength[chosen[0]]:.1f} to {strength[chosen[-1]]:.1f}", faces))
            continue
        for place in here[-ROWS_A_LABEL:]:
            row = manifest.rows[place]
            rows.append(_row(label, str(exact.course[place]), _frames(manifest, row)))
    return np.vstack(rows)


def write_sheet(manifest: Manifest, exact: Exact, path: Path) -> None:
    """Draw it into a PNG or JPEG file.

    Raises:
        ConfigError: a name that ends otherwise, or a folder that cannot be written to.
    """
    page = draw_sheet(manifest, exact)
    try:
        with whole_file(path) as draft:
            if path.suffix.lower() not in SHEETS or not cv2.imwrite(str(draft), page[..., ::-1]):
                raise ConfigError("a sheet called .png or .jpg", str(path), "choose another --sheet")
    except OSError as error:
        raise ConfigError("a place for the sheet", f"{path}: {error.strerror}", "choose another --sheet") from error


def _frames(manifest: Manifest, row: Row) -> list[UInt8[np.ndarray, "3 s s"]]:
    clip = read_clip(manifest, row)
    places = np.unique(np.linspace(0, len(clip) - 1, COLUMNS).round().astype(int))
    return list(clip[places])


def _row(label: str, more: str, faces: list[UInt8[np.ndarray, "3 s s"]]) -> Page:
    page = np.full((CELL, MARGIN + COLUMNS * CELL, 3), WHITE, np.uint8)
    for line, text in enumerate((label, more)):
        cv2.putText(page, text, (4, 50 + 18 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, BLACK, 1, cv2.LINE_AA)
    for column, face in enumerate(faces):
        picture = cv2.resize(np.ascontiguousarray(face.transpose(1, 2, 0)), (CELL, CELL), interpolation=cv2.INTER_AREA)
        page[:, MARGIN + column * CELL : MARGIN + (column + 1) * CELL] = picture
    return page
