"""The error tree.

Everything a user can mend derives from :class:`InputError`; its message always says what was expected, what came and
what to do next. Anything else that escapes is a bug of ours (the command line exits 2 for it, 1 for an InputError).
"""

from __future__ import annotations


class MienError(Exception):
    """Base of every error mien raises on purpose."""


class InputError(MienError):
    """Something the user gave cannot be used.

    Args:
        expected: what would have worked.
        got: what came instead.
        fix: the next step, as an imperative.
    """

    def __init__(self, expected: str, got: str, fix: str) -> None:
        self.expected, self.got, self.fix = expected, got, fix
        super().__init__(f"expected {expected}, got {got}; {fix}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Keep the three parts when the error crosses a process border (batch workers)."""
        return type(self), (self.expected, self.got, self.fix)


class SourceError(InputError):
    """A video, image, camera or array that cannot be read."""


class WeightsError(InputError):
    """A weights file that is missing, torn, or does not fit the model."""


class ConfigError(InputError):
    """A setting out of range, or two settings that contradict each other."""


class DataError(InputError):
    """A data set on disk that does not have the layout or the labels its name promises."""


class MissingDependencyError(InputError):
    """An optional package is needed for what was asked and is not installed."""
