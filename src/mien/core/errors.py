"""The error tree.

Everything a user can mend derives from :class:`InputError`; its message always says what was expected, what came and
what to do next. Anything else that escapes is a bug of ours (the command line exits 2 for it, 1 for an InputError).
"""

from __future__ import annotations

import errno
import os

from mien.core.names import printable

MOST_PART = 1000
"""Characters of one part of an InputError."""


class MienError(Exception):
    """Base of every error mien raises on purpose."""


class InputError(MienError):
    """Something the user gave cannot be used.

    Args:
        expected: what would have worked.
        got: what came instead; shown in quotes where nothing can be seen of it.
        fix: the next step, as an imperative.
    """

    def __init__(self, expected: str, got: str, fix: str) -> None:
        seen = got if got.strip() else repr(got)
        self.expected, self.got, self.fix = (_shown(part) for part in (expected, seen, fix))
        super().__init__(f"expected {self.expected}, got {self.got}; {self.fix}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Keep the three parts when the error crosses a process border (batch workers)."""
        return type(self), (self.expected, self.got, self.fix)


def _shown(part: str) -> str:
    """A part that terminals and logs can take, whatever it quotes: one line, no control codes, no book."""
    if len(part) > MOST_PART:
        part = f"{part[: MOST_PART // 2]} ... {part[-MOST_PART // 4 :]}"
    return printable(" ".join(part.splitlines()))


class SourceError(InputError):
    """A video, image, camera or array that cannot be read."""


class WeightsError(InputError):
    """A weights file that is missing, torn, or does not fit the model."""


class NoLandmarksError(WeightsError):
    """Weights without a landmark net, asked for landmarks. A net that is there and fails is another WeightsError."""


class ConfigError(InputError):
    """A setting out of range, or two settings that contradict each other."""


class DataError(InputError):
    """A data set on disk that does not have the layout or the labels its name promises."""


class MissingDependencyError(InputError):
    """An optional package is needed for what was asked and is not installed."""


class FileError(InputError):
    """The operating system refuses to read or write a file: no room, no permission, a name that is taken."""


_FIXES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room there, or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "allow it, or choose another place"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), "move what has this name, or choose another place"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def file_error(error: OSError, place: object = None) -> FileError:
    """What the operating system refused, in words for the user.

    Args:
        error: as it came; with a number, or it is none of the operating system's.
        place: to be named where the error names no file, or a hidden one that the user knows nothing of.
    """
    named = None if error.filename is None else os.fsdecode(error.filename)
    where = place if named is None or (place is not None and f"{os.sep}.mien-" in named) else named
    reason = os.strerror(error.errno or 0)
    fix = _FIXES.get(error.errno or 0, "check the path and the disk")
    return FileError("files that can be read and written", reason if where is None else f"{where}: {reason}", fix)
