"""The video or picture that a report shows: linked where it lies, or embedded in the page."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mien.core.errors import ConfigError, SourceError
from mien.core.names import printable

if TYPE_CHECKING:
    from mien.report.findings import Findings

MOST_EMBEDDED = 1 << 30
"""Bytes of a video that may be embedded: browsers hold all of it in memory."""
PART = 3 << 20
"""Bytes of video in one element, a multiple of 3; browsers bound the length of one text."""
TYPES = {".mkv": "video/x-matroska", ".mov": "video/quicktime", ".m4v": "video/mp4", ".webm": "video/webm"}


@dataclass(frozen=True)
class Film:
    """What is shown beside the numbers.

    Attributes:
        path: a video or a picture.
        own: it is the source itself, so the boxes of the faces fit it.
        still: it is a picture.
        embedded: put into the page, not linked.
    """

    path: Path
    own: bool
    still: bool
    embedded: bool

    def facts(self, page: Path) -> dict[str, Any]:
        """What the script of ``page`` must know; ``link`` is an address relative to the page."""
        suffix = self.path.suffix.lower()
        kind = TYPES.get(suffix) or mimetypes.guess_type(f"film{suffix}")[0] or "video/mp4"
        name = printable(self.path.name)
        facts = {"name": name, "own": self.own, "still": self.still, "embedded": self.embedded, "type": kind}
        return facts if self.embedded else {**facts, "link": relative_address(self.path, page.parent)}

    def parts(self) -> Iterator[bytes]:
        """The file in base64, piece by piece: it need not fit into memory."""
        with self.path.open("rb") as file:
            while part := file.read(PART):
                yield base64.b64encode(part)


def choose_film(result: Findings, video: Path | None, embed: bool) -> Film | None:
    """The picture or video to show: ``video``, else the source where it is one file, else None.

    Raises:
        SourceError: ``video`` does not exist, or there is nothing to embed.
        ConfigError: too large to embed.
    """
    from mien.media.files import is_image

    if video is not None and not video.is_file():
        raise SourceError("a video file to show", str(video), "check the path, or leave it out to show the source")
    source = Path(result.origin) if isinstance(result.origin, str | Path) else None
    source = source if source is not None and source.is_file() else None
    shown = source if video is None else video
    if embed:
        demand_embeddable(shown, result.source.kind)
    if shown is None:
        return None
    own = source is not None and os.path.samefile(shown, source)
    return Film(shown, own=own, still=is_image(shown), embedded=embed)


def demand_embeddable(video: Path | None, otherwise: str = "") -> None:
    """Check that there is a file that can be embedded; ``otherwise`` is what the source is when ``video`` is None.

    Raises:
        SourceError: no file.
        ConfigError: a file of more than :data:`MOST_EMBEDDED` bytes.
    """
    if video is None or not video.is_file():
        got = otherwise if video is None else str(video)
        raise SourceError("a video or picture file to embed", got, "leave embed off, or name a file")
    size = video.stat().st_size
    if size > MOST_EMBEDDED:
        got = f"{video.name} of {size / 1e6:.0f} MB"
        raise ConfigError(f"at most {MOST_EMBEDDED / 1e6:.0f} MB to embed", got, "leave embed off: the page links it")


def relative_address(file: Path, folder: Path) -> str:
    """The address of ``file`` in a page that lies in ``folder``; absolute only from one Windows drive to another.

    By the letters of the paths, without following links: so do browsers.
    """
    try:
        way = os.path.relpath(file, folder)
    except ValueError:
        return file.absolute().as_uri()
    return quote(os.fsencode(Path(way).as_posix()))
