"""One colour per expression, the same in every picture, and told apart by colour-blind readers.

The eight hues of Okabe and Ito, "Color Universal Design" (2008), black left out for the text; the rarer expressions of
larger label spaces take a lighter tone of the hue nearest in meaning. Colour is never the only carrier: every picture
also writes the label.
"""

from __future__ import annotations

from collections.abc import Sequence

from mien.core.types import UNCLEAR

Colour = tuple[int, int, int]

GREY: Colour = (184, 184, 184)
INK: Colour = (16, 16, 16)
WHITE: Colour = (255, 255, 255)
PALE: Colour = (224, 224, 224)

EXPRESSION_COLOURS: dict[str, Colour] = {
    "neutral": GREY,
    "happiness": (240, 228, 66),
    "surprise": (204, 121, 167),
    "sadness": (0, 114, 178),
    "anger": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (86, 180, 233),
    "contempt": (230, 159, 0),
    "anxiety": (170, 217, 244),
    "disappointment": (127, 184, 216),
    "helplessness": (127, 206, 185),
    UNCLEAR: PALE,
}
# Classes of a user's own, in their order.
FREE_COLOURS: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), GREY),
)


def colours(labels: Sequence[str]) -> dict[str, Colour]:
    """RGB of every label, and of ``"unclear"``; labels mien does not know take the free colours in turn."""
    strangers = [label for label in labels if label not in EXPRESSION_COLOURS]
    free = {label: FREE_COLOURS[place % len(FREE_COLOURS)] for place, label in enumerate(strangers)}
    return {label: EXPRESSION_COLOURS.get(label) or free[label] for label in (*labels, UNCLEAR)}


def hex_colour(colour: Colour) -> str:
    """``#rrggbb``, as SVG wants it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def luminance(colour: Colour) -> float:
    """Relative luminance in [0, 1], WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of WCAG 2.1, from 1 (the same) to 21 (black on white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def text_colour(background: Colour) -> Colour:
    """Ink or white, whichever reads better on ``background``."""
    return max((INK, WHITE), key=lambda ink: contrast(ink, background))
