"""The network and the terms of its loss as one module: what is averaged, clipped, copied to devices and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.data.mixing import Mixing
from mien.models.net import Answer, Net
from mien.training.identity import centred
from mien.training.terms import Step, Term
from mien.training.unfolded import folded

NET = "net."
"""Before the names of the network's weights in a learner's state."""


class Inputs(NamedTuple):
    """What the network takes.

    Attributes:
        frames: normalised.
        landmark_map: of all frames; None for a network without prompts.
        points: see :class:`mien.training.terms.Step`.
        heard: of each clip the patches that the network's attention may read; None: all.
    """

    frames: Float[Tensor, "b t 3 s s"]
    landmark_map: Float[Tensor, "bt 128 u v"] | None
    points: Float[Tensor, "b t 68 2"] | None = None
    heard: Bool[Tensor, "b l"] | None = None


class Learner(nn.Module):
    """A network and the weighed terms of its loss.

    Args:
        net: from :class:`Inputs` to logits and feature.
        terms: weight and module by name.
        centre: whether every person's mean is taken out of the answer, see :func:`mien.training.identity.centred`.
    """

    def __init__(self, net: nn.Module, terms: Mapping[str, tuple[float, Term]], centre: bool = False) -> None:
        super().__init__()
        self.net, self.centre = net, centre
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
        signals: Mapping[str, Float[Tensor, "b k"]] | None = None,
        subjects: Int64[Tensor, " b"] | None = None,
        progress: float = 0.0,
        mirrored: Inputs | None = None,
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
            signals: likewise.
            subjects: likewise.
            progress: likewise.
            mirrored: what the network would take of the same clips mirrored; None where no term asks.
        """
        asked = {name: True for name in ("tokens", "middle") if self._reads(f"reads_{name}")}
        with watching(self.net, self._reads("reads_attention")) as seen:
            beside = {} if mixed.heard is None else {"heard": mixed.heard}
            said = self.net(mixed.frames, mixed.landmark_map, **asked, **beside)
        if not isinstance(said, tuple):
            raise ConfigError("an Answer of logits and feature", type(said).__name__, "correct the network's forward")
        answer = Answer(*said)
        if seen:
            assert isinstance(self.net, Net)
            found = self.net.attention(seen[0])
            answer = answer._replace(attention=found.view(len(targets), -1, *found.shape[1:]))
        shapes = tuple(answer.logits.shape), tuple(answer.feature.shape[:-1])
        if shapes != (tuple(targets.shape), (len(targets),)):
            expected = f"logits {tuple(targets.shape)} and a feature ({len(targets)}, dim)"
            got = f"{shapes[0]} and {tuple(answer.feature.shape)}"
            raise ConfigError(expected, got, "correct the network's forward")

        if self.centre and subjects is not None:
            answer = centred(answer, subjects)

        def before_mixing() -> Answer:
            if plain is None:
                return Answer(answer.logits.detach(), answer.feature.detach())
            with torch.no_grad():
                return Answer(*self.net(plain.frames, plain.landmark_map))

        def in_the_mirror() -> Answer:
            assert mirrored is not None
            frames = mirrored.frames
            # What dropout draws here is drawn anew afterwards: the first pass of the next step stays as it was.
            with torch.no_grad(), torch.random.fork_rng([frames.device] if frames.is_cuda else []):
                said = Answer(*self.net(frames, mirrored.landmark_map))
            return centred(said, subjects) if self.centre and subjects is not None else said

        known, other = signals or {}, None if mirrored is None else in_the_mirror
        step = Step(
            clips, targets, labels, epoch, before_mixing, styles or {}, mixed.points, known, subjects, progress, other
        )
        return {name: self.weights[name] * term(answer, step) for name, term in self.terms.items()}

    def wants_plain(self, epoch: int) -> bool:
        """Whether a term will ask for the answer to unmixed clips."""
        return any(term.reads_plain(epoch) for term in self._terms())

    @property
    def wants_points(self) -> bool:
        """Whether a term reads the landmarks of the clips."""
        return self._reads("reads_points")

    @property
    def wants_mirrored(self) -> bool:
        """Whether a term asks for the answer to mirrored clips."""
        return self._reads("reads_mirrored")

    def _reads(self, what: str) -> bool:
        return any(getattr(term, what) for term in self._terms())

    @property
    def size(self) -> int:
        """Side of the largest clips that a term must see, in pixels; 0 where none has a wish."""
        return max((term.size for term in self._terms()), default=0)

    def _terms(self) -> list[Term]:
        return [term for term in self.terms.values() if isinstance(term, Term)]


@contextmanager
def watching(net: nn.Module, wanted: bool) -> Iterator[list[Tensor]]:
    """Where it is wanted, the output of the net's last map from its pass on; else it is left alone.

    Raises:
        ConfigError: it has no such map, or computes it twice.
    """
    seen: list[Tensor] = []
    if not wanted:
        yield seen
        return
    if not isinstance(net, Net) or type(net).attention is Net.attention:
        raise ConfigError("a network with a map of attention for cues", type(net).__name__, "leave cues out")
    if net.checkpoint_blocks:
        raise ConfigError("cues without --recipe.checkpoint-blocks", "both", "leave one out")
    module, _ = net.last_map()
    handle = module.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()


def net_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's weights of a learner's state, as the network has them in use."""
    return folded({name.removeprefix(NET): tensor for name, tensor in state.items() if name.startswith(NET)})


def demand_points(known: bool, mixing: Mixing) -> None:
    """Raise ConfigError where a term reads landmarks and there are none, or they would be of mixed clips."""
    if not known:
        raise ConfigError("a network with a landmark net for cues", "one without", "use --recipe.terms cues-mean")
    if mixing.changes_clips:
        raise ConfigError("clips that are not mixed, for cues", str(mixing), "switch mixing off")
