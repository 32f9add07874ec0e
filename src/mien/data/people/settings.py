"""What a user can say about rendered people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mien.core.errors import ConfigError

Kind = Literal["held", "onset", "offset", "passing", "blend"]
"""Courses of an expression over a clip, see :mod:`mien.data.people.course`."""
ANY: Literal["any"] = "any"
Course = Literal["any", Kind]
SHEETS = (".png", ".jpg", ".jpeg")
"""What the name of a sheet may end in."""


@dataclass(frozen=True)
class PeopleSettings:
    """What is drawn.

    Raises:
        ConfigError: a value out of range.
    """

    size: int = 112
    """Side of the crops in pixels."""
    frames: int = 1
    """Frames of a clip; 1 makes pictures."""
    rate: float = 10.0
    """Frames a second of clips."""
    course: Course = ANY
    """Course of every clip's expression. any: drawn for each. onset: it comes, and the clip ends at its height."""
    each: int = 4
    """Pictures or clips of every person."""
    low: float = 0.1
    """Least strength of textbook expressions."""
    high: float = 1.0
    """Greatest strength of textbook expressions."""
    turn: float = 1.0
    """How much further heads turn than most in films do: 2 doubles the spread of yaw, pitch and roll; never beyond 60
    degrees of yaw, 36 of pitch, 24 of roll."""
    speech: float = 0.15
    """Share of faces that speak; in pictures never neutral ones."""
    grey: float = 0.25
    """Share of cameras without colour."""
    covers: bool = True
    """Let some faces wear masks or be covered by hands, hair or a microphone."""
    test: float = 0.2
    """Share of the persons in the test split."""
    seed: int = 0
    """Other seeds give other people."""

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 512:
            raise ConfigError("crops of 32 to 512 pixels", str(self.size), "use 112")
        if min(self.frames, self.each) < 1 or self.frames > 1000 or self.seed < 0:
            got = f"{self.frames}, {self.each}, {self.seed}"
            raise ConfigError("1 to 1000 frames, 1 item of each person or more, a seed from 0", got, "change it")
        if self.course not in get_args(Course):
            raise ConfigError(f"a course of {', '.join(get_args(Course))}", str(self.course), "change --course")
        if self.course != ANY and self.frames == 1:
            raise ConfigError("clips for --course", "pictures", "add --frames")
        if not 0 < self.rate <= 240:
            raise ConfigError("a rate above 0, up to 240 frames a second", str(self.rate), "use 10")
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError("strengths with 0 <= low <= high <= 1", f"{self.low}, {self.high}", "change them")
        if not 0 <= self.turn <= 4:
            raise ConfigError("a turn from 0 to 4", str(self.turn), "use 1, or 2 for heads in profile")
        for name in ("speech", "grey", "test"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} from 0 to 1", str(getattr(self, name)), "change it")
