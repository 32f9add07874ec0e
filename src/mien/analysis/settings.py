"""How a source is analysed. The docstrings below the fields are the command's help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, get_args

from mien.analysis.filters import MOST_WIDTH, FilterKind
from mien.core.compound import LEAST, CompoundRule
from mien.core.compound import Choice as CompoundPairs
from mien.core.compound import Kind as CompoundKind
from mien.core.errors import ConfigError
from mien.faces.settings import FaceSettings
from mien.media.selection import MOST_PIXELS, MOST_RATE, Selection

if TYPE_CHECKING:
    from mien.models.record import ModelRecord

WINDOW = 0.4
"""Seconds of a window where neither the settings nor the model say it."""


class Pace(NamedTuple):
    """How long the network looks at once, and how often.

    Attributes:
        frames: of a window.
        window: its seconds.
        step: seconds from one window to the next.
    """

    frames: int
    window: float
    step: float


@dataclass(frozen=True)
class AnalysisSettings:
    """How faces are found, how long a look the network gets, and what counts as an expression.

    The defaults show every clear expression of half a second, wherever it falls between the windows, and leave about a
    tenth of the changes that an unsure network makes without smoothing (tests/analysis/test_smoothing.py).

    Raises:
        ConfigError: a value out of range, or two that contradict each other.
    """

    faces: FaceSettings = field(default_factory=FaceSettings)
    """Finding and following faces."""
    window: float | None = None
    """Seconds of video the network sees at once. An expression much shorter than this is averaged away. None: as long
    as the model's clips were in training, where its file says so, which those of video models do; else 0.4."""
    step: float | None = None
    """Seconds from one window to the next, at most the window. None: half the window."""
    frames: int | None = None
    """Frames of a window that the network sees. None: as many as the model is made for. Half as many take half the
    network's time; on four sample clips 4 instead of 8 changed the label of 0 to 1.4 % of the named frames."""
    threshold: float | None = None
    """Probability under which the answer is "unclear", 0 to 1. None: the one the model was calibrated with."""
    min_span: float = 0.1
    """Seconds a clearly shown expression must last to interrupt another; a doubtful one, longer. 0: no smoothing."""
    frame_rate: float | None = None
    """Look at no more than this many frames a second. None: at every frame."""
    every: int = 1
    """Look at each how manyth frame only. 1: at every frame."""
    start: float | None = None
    """Seconds from which on to look, on the film's own clock as players show it. None: from its first picture."""
    end: float | None = None
    """Seconds up to which to look. None: up to its last picture."""
    stream: int | None = None
    """Which video stream of a file, from 0, cover pictures not counted. None: the one that players show."""
    max_pixels: int = MOST_PIXELS
    """Refuse pictures of more pixels than this, before they are decoded."""
    most_yaw: float | None = None
    """Leave faces unread that the network itself finds turned to a side by more degrees than this, 0 to 90, for weights
    that say pose. None: the detector's points alone decide, by max_yaw. For films and pictures, not live."""
    filter: FilterKind = "none"
    """Smooth each face's probabilities over time before spans are cut: box, the mean over filter_width; gauss, a bell.
    none: the windows' overlap alone. For films; what is watched while it runs has no future to look into."""
    filter_width: float = 0.5
    """Seconds that the filter is wide: a box as a whole, a bell two standard deviations."""
    compound: bool = False
    """Say of every span whether it shows two expressions at once, and which: "happily surprised". By a rule on the
    probabilities; no network learnt it. On faces about which a crowd was divided a third of what it names is right."""
    compound_rule: CompoundKind = "sum"
    """What decides between pairs: sum of both probabilities; above-chance, of those above 1 in so many labels; weighed,
    by AVCER's weights. The last two are published and worse here."""
    compound_pairs: CompoundPairs = "seven"
    """seven: the pairs of the C-EXPR-DB challenge. twelve: all of Du, Tao and Martinez (2014)."""
    compound_least: float = LEAST
    """Probability that the lesser of the two must have, 0 to 0.5."""
    covered: float | None = None
    """Share of the face, 0 to 1, above which a face that something covers is abstained from, for weights that know
    (`mien train covered`). None: it is said, where they do, and nobody is abstained from for it."""
    sparse: bool = True
    """Look at the faces of a film half as often again as windows need, and nowhere else: 15 times a second with the
    models that ship. In frames between, a face lies between its places. Off: in every frame. Live it is always off."""
    batch: int = 2
    """Windows per call of the network. Changes speed and memory, not the answer."""
    hash_source: bool = False
    """Put the SHA-256 of the source file into the provenance. A later run with skip_existing goes by it, not by the
    time at which the file was written."""

    def __post_init__(self) -> None:
        self._demand(self.window is None or self.window > 0, "a window longer than 0 s", self.window)
        self._demand(self.step is None or self.step > 0, "a step above 0 s", self.step)
        if self.window is not None:
            self._step_of(self.window)
        self._demand(self.threshold is None or 0 <= self.threshold <= 1, "a threshold from 0 to 1", self.threshold)
        self._demand(self.min_span >= 0, "a min_span of at least 0 s", self.min_span)
        self._demand(self.frames is None or self.frames >= 1, "at least 1 frame of a window", self.frames)
        self._demand(self.batch >= 1, "a batch of at least 1 window", self.batch)
        self._demand(self.most_yaw is None or 0 <= self.most_yaw <= 90, "a most_yaw from 0 to 90", self.most_yaw)
        self._demand(self.filter in get_args(FilterKind), f"a filter of {', '.join(get_args(FilterKind))}", self.filter)
        self._demand(0 < self.filter_width <= MOST_WIDTH, f"a filter_width up to {MOST_WIDTH} s", self.filter_width)
        shares = self.covered is None or 0 <= self.covered <= 1
        self._demand(shares, "a covered share from 0 to 1", self.covered)
        _ = self.selection, self.compounds  # which refuse what does not fit

    @staticmethod
    def _demand(met: bool, expected: str, got: object) -> None:
        if not met:
            raise ConfigError(expected, str(got), "change it or leave it at its default")

    @property
    def selection(self) -> Selection:
        """Which pictures of a source are looked at."""
        return Selection(
            *(self.frame_rate, self.every, self.start, self.end, self.stream, self.max_pixels), most_rate=MOST_RATE
        )

    @property
    def compounds(self) -> CompoundRule | None:
        """How pairs of expressions are named; None: not at all."""
        rule = CompoundRule(self.compound_rule, self.compound_least, self.compound_pairs)
        return rule if self.compound else None

    def pace(self, record: ModelRecord) -> Pace:
        """How looks follow each other, with what the model's file says where nothing is set.

        Raises:
            ConfigError: the step is longer than the window, so that faces in between would never be read.
        """
        window = self.window or record.window or WINDOW
        return Pace(self.frames or record.frames, window, self._step_of(window))

    def _step_of(self, window: float) -> float:
        """Its default filled in. Raises ConfigError for one that is longer than the window."""
        step = window / 2 if self.step is None else self.step
        self._demand(step <= window, f"a step above 0 and at most the window's {window:g} s", self.step)
        return step
