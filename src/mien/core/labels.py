"""Label spaces: which expressions, in which order, and maps between them.

The orders are those of the data sets' own files. CREMA-D: the codes in its file names, by letter. RAVDESS: codes 01 to
08. CK+: codes 1 to 7 of its emotion files. A model carries its label space in its weights file; nothing in the flow
assumes an order.
"""

from __future__ import annotations

from dataclasses import dataclass

from mien.core import checks
from mien.core.errors import ConfigError
from mien.core.registry import Registry, did_you_mean

ALIASES = {
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "calm": "neutral",
}


def canonical(name: str) -> str:
    """The one spelling mien uses for an expression: lower case, as a noun (``Happy`` -> ``happiness``)."""
    word = name.strip().lower()
    return ALIASES.get(word, word)


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of expression names.

    Attributes:
        name: key in :data:`LABEL_SPACES`, or any name for a user's own classes.
        labels: class names, distinct and fit for tables; position = class index of logits and probabilities.
    """

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or not self.labels:
            raise ConfigError("distinct label names", str(self.labels), "remove the duplicates")
        for label in self.labels:
            checks.label(f"a label of {self.name}", label)

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Class index of ``label``; aliases such as ``happy`` are understood. Raises ConfigError for a stranger."""
        place = self._place(label)
        if place is None:
            word = canonical(label)
            raise ConfigError(f"a label of {self.name}", repr(label), did_you_mean(word, list(self.labels)))
        return place

    def to(self, other: LabelSpace) -> tuple[int | None, ...]:
        """For every class here its index in ``other``, None where ``other`` has no such class.

        A class that only this space tells apart goes to what it is an alias of: ``calm`` of RAVDESS to ``neutral``.
        """
        return tuple(other._place(name) for name in self.labels)

    def _place(self, label: str) -> int | None:
        """Where ``label`` stands: by its own name if there is such a class, else as what it is an alias of."""
        for word in (label, label.strip().lower(), canonical(label)):
            if word in self.labels:
                return self.labels.index(word)
        return None


def _space(name: str, *labels: str) -> tuple[str, LabelSpace]:
    return name, LabelSpace(name, labels)


LABEL_SPACES: Registry[LabelSpace] = Registry(
    "label space",
    dict(
        [
            _space("ferplus", "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
            _space("rafdb", "surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"),
            _space("affectnet7", "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"),
            _space("affectnet8", "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
            _space("dfew", "happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"),
            _space("ferv39k", "anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
            _space(
                "mafw",
                *("anger", "anxiety", "contempt", "disappointment", "disgust", "fear"),
                *("happiness", "helplessness", "neutral", "sadness", "surprise"),
            ),
            _space("crema-d", "anger", "disgust", "fear", "happiness", "neutral", "sadness"),
            _space("ravdess", "neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"),
            _space("ck+", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
        ]
    ),
)
