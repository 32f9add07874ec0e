"""What makes probabilities of logits: a temperature, and how much of the training set's class shares is taken out.

Which expressions a data set shows how often is learnt with them. Where other faces are looked at it is a wrong guess:
subtracting the logarithm of the shares (logit adjustment, Menon et al., arXiv 2007.07314, eq. 9) takes it out. A model
may know several such readings of the same logits; which one is in use stands in its record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from mien.core import checks
from mien.core.softmax import softmax

TRAINED, BALANCED = "trained", "balanced"
"""Names of readings: as the training set's classes are shared out; with no expression expected before another."""
LEAST_TEMPERATURE, MOST_TEMPERATURE = 1e-3, 1e3
MOST_TAU, MOST_BIAS, LEAST_SHARE = 2.0, 100.0, 1e-6


@dataclass(frozen=True)
class Calibration:
    """One reading of logits: softmax((logits - tau log prior) / temperature + bias).

    Attributes:
        temperature: above 0 (Guo et al., arXiv 1706.04599).
        threshold: probability under which the default analysis answers "unclear".
        bias: of every class; empty: none.
        prior: shares of the classes in training, of every class; empty: not known.
        tau: how much of the prior is taken out: 0 nothing, 1 all of it.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    bias: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    tau: float = 0.0

    def __post_init__(self) -> None:
        checks.real("temperature", self.temperature, LEAST_TEMPERATURE, MOST_TEMPERATURE)
        checks.real("threshold", self.threshold, 0, 1)
        checks.real("tau", self.tau, 0, MOST_TAU)
        for name, least, most in (("bias", -MOST_BIAS, MOST_BIAS), ("prior", LEAST_SHARE, 1)):
            values = getattr(self, name)
            checks.demand(isinstance(values, tuple), name, "a number of every class", values)
            for value in values:
                checks.real(name, value, least, most)
        checks.demand(not self.tau or bool(self.prior), "prior", "the shares of the classes, for tau above 0", "none")

    @property
    def shift(self) -> Float64[np.ndarray, " c"] | float:
        """What is added to logits divided by the temperature."""
        bias = np.array(self.bias) if self.bias else 0.0
        return bias - self.tau * np.log(self.prior) / self.temperature if self.tau else bias

    def probabilities(self, logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
        """Rows sum to 1."""
        return softmax(logits.astype(np.float64) / self.temperature + self.shift)

    def demand_classes(self, count: int) -> None:
        """Raise ConfigError where bias or prior is of another number of classes."""
        for name in ("bias", "prior"):
            given = len(getattr(self, name))
            checks.demand(given in (0, count), name, f"{count} numbers, one a label", given)


def parse_calibration(body: dict[str, Any]) -> Calibration:
    """The inverse of ``dataclasses.asdict``, from JSON. Raises TypeError, LookupError or ConfigError."""
    return Calibration(**{**body, "bias": tuple(body["bias"]), "prior": tuple(body["prior"])})
