"""Films and pictures that come through a pipe, standard input or a named one: read as they come, once.

FFmpeg cannot go back in a pipe. A film that can only be read with going back, such as an MP4 whose index stands at its
end, and a picture, is first kept whole in the cache folder, and removed from it when it is closed.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
import time
from pathlib import Path

from mien.core.errors import SourceError
from mien.core.settings import cache_dir
from mien.media import files

MOST_KEPT = 4 << 30
"""Bytes of what cannot be read as it comes."""
CHUNK = 1 << 16
MOST_HEAD = 32 << 20
"""Bytes looked at to tell how the rest can be read."""
STREAMS = (
    *(b"\x1aE\xdf\xa3", b"FLV", b"OggS", b"DKIF", b"nut/multimedia", b"YUV4MPEG2", b".RMF"),
    *(b"\0\0\1", b"\0\0\0\1", b"\x30\x26\xb2\x75"),
)
"""First bytes of films that FFmpeg reads without going back: Matroska and others; MPEG and H.26x bare."""
TS_PACKETS = (188, 192, 204)
ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
# Where one JPEG or PNG ends and another begins: FFmpeg and cameras write films so. A phone's JPEG with a second view
# behind it says that it is one.
PICTURES, NEXT_PICTURE = (b"\xff\xd8\xff", b"\x89PNG"), (b"\xff\xd9\xff\xd8\xff", b"IEND\xaeB`\x82\x89PNG")
SECOND_VIEW = b"MPF\0"
STALE = 24 * 3600.0
"""Seconds after which what is still kept was left by a process that was killed."""
_numbers = itertools.count()


class Pipe:
    """What comes out of a pipe, for PyAV a file without ``seek``; opening waits for the first of it.

    Args:
        source: ``-`` or a name.

    Attributes:
        name: what to call it.
        streams: whether it can be read as it comes; else it must be :meth:`kept`.

    Raises:
        SourceError: nothing comes.
    """

    def __init__(self, source: str) -> None:
        standard = source == files.STDIN
        self.name = "stdin" if standard else Path(source).name
        self._head = bytearray()
        self._folder: Path | None = None
        got = "nothing; what was read once is gone"
        try:
            self._file = io.FileIO(0 if standard else source, closefd=not standard)
            if self._file.isatty():
                got = "a terminal"
            else:
                os.set_blocking(self._file.fileno(), True)
                self._fill(16)
        except OSError as error:
            got = error.strerror or "an error"
        if not self._head:
            fix = "send a video or a picture into it, for example: cat talk.mp4 | mien analyze - -o out"
            raise SourceError(f"a video or a picture from {self.name}", got, fix)
        self.streams = self._can_stream()

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes, as many as have come; none at the end."""
        if not self._head:
            return self._file.read(count) or b""
        part = bytes(self._head[:count])
        del self._head[:count]
        return part

    def _fill(self, count: int) -> bool:
        """Look at ``count`` bytes or more; False where there are fewer."""
        while len(self._head) < count and (more := self._file.read(CHUNK)):
            self._head += more
        return len(self._head) >= count

    def _can_stream(self) -> bool:
        head = self._head
        if head[4:8] in ISO_BOXES:
            return self._has_index_first()
        if head.startswith(PICTURES):
            return self._is_row()
        if head.startswith(STREAMS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
            return True
        # MPEG transport: packets of one size with the same first byte, behind four more bytes in a camera's files.
        self._fill(2 * max(TS_PACKETS))
        return any(head[at : at + size + 1 : size] == b"GG" for size in TS_PACKETS for at in (0, 4))

    def _is_row(self) -> bool:
        """Whether pictures follow the first one."""
        seen = 0
        while not any(mark in self._head[max(seen - CHUNK, 0) :] for mark in NEXT_PICTURE):
            seen = len(self._head)
            if seen > MOST_HEAD or not self._fill(seen + 1):
                return False
        return SECOND_VIEW not in self._head[:CHUNK]

    def _has_index_first(self) -> bool:
        """Whether the index of an MP4, or a part with an index of its own, comes before the pictures."""
        at = 0
        while at < MOST_HEAD and self._fill(at + 16):
            size, kind = int.from_bytes(self._head[at : at + 4]), bytes(self._head[at + 4 : at + 8])
            if kind in (b"moov", b"moof", b"mdat"):
                return kind != b"mdat"
            size = int.from_bytes(self._head[at + 8 : at + 16]) if size == 1 else size
            if size < 8:
                return False
            at += size
        return False

    def kept(self) -> Path:
        """All of it as a file, which :meth:`close` removes.

        Raises:
            SourceError: more than :data:`MOST_KEPT` bytes, or no room for them.
        """
        shelf = cache_dir() / "piped"
        self._folder = shelf / f"{os.getpid()}-{next(_numbers)}"
        path = self._folder / self.name
        left = MOST_KEPT
        try:
            _clear(shelf)
            self._folder.mkdir(parents=True)
            with path.open("xb") as file:
                while left >= 0 and (part := self.read(CHUNK)):
                    left -= file.write(part)
        except OSError as error:
            got = f"{error.strerror} in {shelf}"
            raise SourceError(f"room to keep {self.name}", got, "name the file itself, or set MIEN_CACHE") from error
        if left < 0:
            expected = f"a film that can be read as it comes, or at most {MOST_KEPT >> 30} GiB"
            fix = "name the file itself; FFmpeg writes an MP4 for pipes with -movflags frag_keyframe"
            raise SourceError(expected, f"{self.name}, which is longer", fix)
        return path

    def close(self) -> None:
        """Let go of the pipe and of what was kept."""
        self._file.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _clear(shelf: Path) -> None:
    for folder in shelf.glob("*"):
        if time.time() - folder.stat().st_mtime > STALE:
            shutil.rmtree(folder, ignore_errors=True)
