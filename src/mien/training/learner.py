"""The network and the terms of its loss as one module: what is averaged, clipped, copied to devices and kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.net import Answer
from mien.training.terms import Step, Term

NET = "net."
"""Before the names of the network's weights in a learner's state."""


class Inputs(NamedTuple):
    """What the network takes.

    Attributes:
        frames: normalised.
        landmark_map: of all frames; None for a network without prompts.
    """

    frames: Float[Tensor, "b t 3 s s"]
    landmark_map: Float[Tensor, "bt 128 u v"] | None


class Learner(nn.Module):
    """A network and the weighed terms of its loss.

    Args:
        net: from :class:`Inputs` to logits and feature.
        terms: weight and module by name.
    """

    def __init__(self, net: nn.Module, terms: Mapping[str, tuple[float, Term]]) -> None:
        super().__init__()
        self.net = net
        self.weights = {name: weight for name, (weight, _) in terms.items()}
        self.terms = nn.ModuleDict({name: term for name, (_, term) in terms.items()})

    def forward(
        self,
        mixed: Inputs,
        clips: Float[Tensor, "b t _ s s"],
        targets: Float[Tensor, "b c"],
        labels: Int64[Tensor, " b"],
        epoch: int,
        plain: Inputs | None,
        styles: Mapping[str, Float[Tensor, "b c"]] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Every term, weighed.

        Args:
            mixed: what the network learns from.
            clips: the same, see :class:`mien.training.terms.Step`.
            targets: likewise.
            labels: likewise.
            epoch: likewise.
            plain: the batch before mixing; None where nothing was mixed.
            styles: see :class:`mien.training.terms.Step`.
        """
        said = self.net(*mixed)
        if not isinstance(said, tuple):
            raise ConfigError("an Answer of logits and feature", type(said).__name__, "correct the network's forward")
        answer = Answer(*said)
        shapes = tuple(answer.logits.shape), tuple(answer.feature.shape[:-1])
        if shapes != (tuple(targets.shape), (len(targets),)):
            expected = f"logits {tuple(targets.shape)} and a feature ({len(targets)}, dim)"
            got = f"{shapes[0]} and {tuple(answer.feature.shape)}"
            raise ConfigError(expected, got, "correct the network's forward")

        def before_mixing() -> Answer:
            if plain is None:
                return Answer(answer.logits.detach(), answer.feature.detach())
            with torch.no_grad():
                return Answer(*self.net(*plain))

        step = Step(clips, targets, labels, epoch, before_mixing, styles or {})
        return {name: self.weights[name] * term(answer, step) for name, term in self.terms.items()}

    def wants_plain(self, epoch: int) -> bool:
        """Whether a term will ask for the answer to unmixed clips."""
        return any(term.reads_plain(epoch) for term in self._terms())

    @property
    def size(self) -> int:
        """Side of the largest clips that a term must see, in pixels; 0 where none has a wish."""
        return max((term.size for term in self._terms()), default=0)

    def _terms(self) -> list[Term]:
        return [term for term in self.terms.values() if isinstance(term, Term)]


def net_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's weights of a learner's state."""
    return {name.removeprefix(NET): tensor for name, tensor in state.items() if name.startswith(NET)}
