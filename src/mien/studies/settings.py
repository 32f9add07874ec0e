"""How a study is made. The docstrings below the fields are the command's help."""

from __future__ import annotations

from dataclasses import dataclass

from mien.core.errors import ConfigError
from mien.core.registry import did_you_mean
from mien.studies.sheets import read_range

MEASURES = ("share", "count", "mean", "min", "max", "area", "time_to_first", "time_to_peak")
"""Of a person in a condition, in the order of summary.csv."""
FORMATS = ("png", "svg", "pdf")


@dataclass(frozen=True)
class StudySettings:
    """How a study is made.

    Raises:
        ConfigError: a value out of range.
    """

    baseline: str | None = None
    """Seconds from-to, such as 0-10, at which everybody is at rest in each film; columns of people.csv go before it."""
    baseline_file: str | None = None
    """Film in which people are at rest; {person} in it is the person's name, as in {person}-rest.mp4."""
    bin: float | None = None
    """Seconds of a bin of the curves. None: 0.2 around events, 1 over whole films."""
    window: tuple[float, float] | None = None
    """Curves go from, to, in seconds from an event. None: -1 5; over whole films, their length."""
    measures: tuple[str, ...] = ("mean", "share")
    """Which columns of summary.csv conditions are compared by."""
    formats: tuple[str, ...] = ("png", "svg", "pdf")
    """In which formats pictures are written."""

    def __post_init__(self) -> None:
        if self.bin is not None and not 0.001 <= self.bin <= 3600:
            raise ConfigError("a bin of 0.001 to 3600 s", f"{self.bin:g}", "use 0.2 or 1")
        if self.window is not None and not (self.window[0] < self.window[1] and self.window[1] > 0):
            got = f"{self.window[0]:g} to {self.window[1]:g}"
            raise ConfigError("a window that ends after the event and after its start", got, "use -1 5")
        if self.baseline is not None and self.baseline_file is not None:
            raise ConfigError("baseline or baseline_file", "both", "leave one out; people.csv may hold both")
        for name in self.measures:
            if name not in MEASURES:
                raise ConfigError("a measure of summary.csv", repr(name), did_you_mean(name, list(MEASURES)))
        for name in self.formats:
            if name not in FORMATS:
                raise ConfigError(f"pictures in {', '.join(FORMATS)}", repr(name), "leave it out")
        if self.baseline is not None:
            read_range(self.baseline)
