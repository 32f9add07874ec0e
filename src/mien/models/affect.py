"""Valence and arousal, derived from the expression: where the expressions stand in the circumplex (Russell 1980).

The answer is the mean of the expressions' places, weighed by their probabilities: a summary of the expression shown in
two numbers, which holds nothing that the probabilities do not. It is not measured on the face, and says nothing of what
anyone feels. A network that is trained on valence and arousal would say them itself.

Places are published means of how people rated the words, none of them of ours:

* J. A. Russell, A. Mehrabian, "Evidence for a three-factor theory of emotions", Journal of Research in Personality 11
  (1977): pleasure and arousal of happy, surprised, sad, angry, disgusted, fearful, in [-1, 1].
* A. B. Warriner, V. Kuperman, M. Brysbaert, "Norms of valence, arousal, and dominance for 13,915 English lemmas",
  Behavior Research Methods 45 (2013): contempt, 3.22 and 4.61 on their scale from 1 to 9, here (x - 5) / 4; the first
  table has it not.
* neutral is the middle by definition.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace, canonical
from mien.core.signals import EXPRESSION, Signal
from mien.models.network import Derived, Network
from mien.models.record import ModelRecord

PLACES = {
    "neutral": (0.0, 0.0),
    "happiness": (0.81, 0.51),
    "surprise": (0.40, 0.67),
    "sadness": (-0.63, -0.27),
    "anger": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "contempt": (-0.445, -0.0975),
}
"""Valence and arousal of every expression, in [-1, 1]."""


class Affect(Derived):
    """Adds valence (unpleasant to pleasant) and arousal (calm to excited), in [-1, 1].

    Args:
        network: its labels must all have a place.
    """

    signal = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0, derived_from=EXPRESSION)

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._places = places_of(self.record.labels)

    @classmethod
    def extended(cls, record: ModelRecord) -> ModelRecord:
        """See :class:`mien.models.network.Derived`. Raises ConfigError for a label that has no place."""
        places_of(record.labels)
        return super().extended(record)

    def derive(self, values: Float64[np.ndarray, "b n"]) -> Float64[np.ndarray, "b 2"]:
        """The expected place of the expression."""
        derived: Float64[np.ndarray, "b 2"] = values[:, : len(self._places)] @ self._places
        return derived


def places_of(labels: LabelSpace) -> Float64[np.ndarray, "c 2"]:
    """The labels' places, a row each; what ``canonical`` calls alike stands alike."""
    strangers = [label for label in labels.labels if canonical(label) not in PLACES]
    if strangers:
        fix = "leave affect out, or use a model of these expressions"
        raise ConfigError(f"for affect, labels among {', '.join(PLACES)}", ", ".join(strangers), fix)
    return np.array([PLACES[canonical(label)] for label in labels.labels])
