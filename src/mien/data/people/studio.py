"""People as a source of pictures and clips: item k of a seed is always the same, whoever asks and in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8

from mien.data.manifest import Split
from mien.data.people.apex import LABELS, Source, Style, of_clip
from mien.data.people.camera import draw_views
from mien.data.people.course import Play, act
from mien.data.people.covers import Cover, draw_cover, draw_glasses
from mien.data.people.drawing import Pen, Set
from mien.data.people.light import draw_lighting
from mien.data.people.look import Person, skin_colour
from mien.data.people.model import MorphableHead
from mien.data.people.prototypes import Textbook
from mien.data.people.scene import draw_background
from mien.data.people.sensor import draw_sensor
from mien.data.people.settings import PeopleSettings

PERSON, ITEM, SPLIT = 1, 2, 3
"""What a stream of random numbers is for; 4 is the order of labels."""


@dataclass(frozen=True, eq=False)
class Item:
    """A picture or clip and all that is known of it, exactly.

    Attributes:
        images: aligned crops, RGB.
        number: of the item; ``person`` is who is shown.
        split: the person's.
        label: of the greatest share in ``votes``.
        votes: shares of the whole clip.
        shares, strength: of each frame.
        coefficients: of the model's movements.
        landmarks: the 68 in pixels of the crop.
        pose: degrees: yaw (nose to the picture's right), pitch (nose up), roll (clockwise in the crop).
        gaze: degrees of right and left eye relative to the head: across (to the picture's right), up.
        blink: how far right and left eye are shut, 0 to 1.
        style, course: whose words the label is in; how the expression runs.
        cover: what is before the face, ``none`` mostly; ``glasses``, ``speaks``: as they say.
        tone: of the skin, 0 light to 1 dark.
    """

    images: UInt8[np.ndarray, "t 3 s s"]
    number: int
    person: int
    split: Split
    label: str
    votes: Float32[np.ndarray, " c"]
    shares: Float32[np.ndarray, "t c"]
    strength: Float32[np.ndarray, " t"]
    coefficients: Float32[np.ndarray, "t m"]
    landmarks: Float32[np.ndarray, "t 68 2"]
    pose: Float32[np.ndarray, "t 3"]
    gaze: Float32[np.ndarray, "t 2 2"]
    blink: Float32[np.ndarray, "t 2"]
    style: Style
    course: str
    cover: str
    glasses: bool
    speaks: bool
    tone: float


def split_of(settings: PeopleSettings, person: int) -> Split:
    """On which side of the split a person is, with all their items."""
    rng = np.random.default_rng([settings.seed, SPLIT, person])
    return "test" if rng.random() < settings.test else "train"


class Studio:
    """Draws items.

    Args:
        head: the model.
        settings: what is drawn.
        source: where expressions come from; textbook prototypes by default.
    """

    def __init__(
        self, head: MorphableHead, settings: PeopleSettings | None = None, source: Source | None = None
    ) -> None:
        settings = settings or PeopleSettings()
        self.head, self.settings = head, settings
        self.pen = Pen(head, settings.size)
        self.source: Source = source or Textbook(head.names, settings.seed, settings.low, settings.high)
        self.times = np.arange(settings.frames) / settings.rate
        self.person = lru_cache(maxsize=2)(self._person)

    def _person(self, number: int) -> Person:
        return self.pen.painter.person(np.random.default_rng([self.settings.seed, PERSON, number]))

    def play(self, number: int) -> Play:
        """What the face of an item does; nothing is drawn."""
        return self._play(number)[0]

    def _play(self, number: int) -> tuple[Play, Style]:
        rng = np.random.default_rng([self.settings.seed, ITEM, number, 0])
        apex = self.source.draw(number, rng)
        other = self.source.draw(number + 1, rng) if len(self.times) > 1 else apex
        settings = self.settings
        play = act(apex, other, self.times, self.head.names, settings.speech, rng, settings.course)
        return play, apex.style

    def item(self, number: int) -> Item:
        """Draw item ``number``, of person ``number // each``."""
        owner = number // self.settings.each
        person, (play, style) = self.person(owner), self._play(number)
        rng = np.random.default_rng([self.settings.seed, ITEM, number, 1])
        stage, cover = self._stage(person, rng)
        frames = len(self.times)
        drawn = [self.pen.draw(person, play.coefficients[k], stage, k, rng) for k in range(frames)]
        votes = of_clip(play.shares)
        blinks = [place for place in self.pen.blinks if place is not None]
        return Item(
            images=np.stack([one.image for one in drawn]),
            number=number,
            person=owner,
            split=split_of(self.settings, owner),
            label=LABELS.labels[int(votes.argmax())],
            votes=votes,
            shares=play.shares,
            strength=play.strength,
            coefficients=play.coefficients,
            landmarks=np.stack([one.landmarks for one in drawn]),
            pose=np.stack([one.pose for one in drawn]),
            gaze=np.stack([one.gaze for one in drawn]),
            blink=play.coefficients[:, blinks] if len(blinks) == 2 else np.zeros((frames, 2), np.float32),
            style=style,
            course=play.kind,
            cover=cover,
            glasses=person.glasses,
            speaks=play.speaks,
            tone=person.tone,
        )

    def _stage(self, person: Person, rng: np.random.Generator) -> tuple[Set, str]:
        views, lighting = draw_views(self.times, rng, self.settings.turn), draw_lighting(rng)
        background = draw_background(self.pen.side, rng)
        sensor = draw_sensor(self.settings.grey, rng)
        covers: list[Cover] = []
        name, cover = draw_cover(skin_colour(person.tone), person.hair.colour, rng)
        if person.glasses:
            covers.append(draw_glasses(rng))
        if cover is not None and self.settings.covers:
            covers.append(cover)
        name = name if self.settings.covers else "none"
        hair = int(rng.integers(1 << 31)) if person.hair.long else None
        return Set(views, lighting, background, sensor, tuple(covers), hair), name
