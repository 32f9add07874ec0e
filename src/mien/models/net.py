"""What every network is: from normalised frames to logits and a feature, whatever a paper puts in between.

A network of yours is one file with a :class:`Net` and its :class:`mien.models.nets.NetConfig`, and one line in
:data:`mien.models.nets.NETS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.landmarks import MobileFaceNet

Learns = Literal["all", "stage2", "temporal"]


class Answer(NamedTuple):
    """What a network says to b clips.

    Attributes:
        logits: of the classes.
        feature: what the heads read, before dropout: the mean over the frames. Logits are linear in it.
        signals: what else it says, by signal, before softmax and sigmoid.
        tokens: of the last block, or places of the last map, in reading order; None unless a head asks for them.
        middle: likewise, of the block in the middle, before any norm.
        attention: how much of the answer rests on each place of the last map, >= 0, see :meth:`Net.attention`; None
            unless a term of the loss asks for it.
    """

    logits: Float[Tensor, "b c"]
    feature: Float[Tensor, "b d"]
    signals: Mapping[str, Tensor] = {}
    tokens: Float[Tensor, "b t l d"] | None = None
    attention: Float[Tensor, "b t g g"] | None = None
    middle: Float[Tensor, "b t l d"] | None = None


class Net(nn.Module, ABC):
    """A paper's network.

    Attributes:
        config: its shape, a :class:`mien.models.nets.NetConfig`.
        needs: what it wants beside the frames, by the name of :meth:`forward`'s argument; only that is made.
        gives_tokens: whether :meth:`forward`, and that of its quicker form, take ``tokens=True`` and then give
            :attr:`Answer.tokens`, ``dim`` wide.
        gives_middle: likewise for ``middle=True`` and :attr:`Answer.middle`.
        hides_patches: whether :meth:`forward` takes ``heard``, (b, l): of each clip the patches that attention may
            read; its configuration then has ``patch``, their side in pixels.
        says: names of the signals that its answers have beside the logits; others come from heads on its feature.
        not_exported: why :mod:`mien.engines.export` cannot write it; empty: it can.
        fixed: names of its parts that never learn and are always in eval mode: a landmark net inside.
        decayed: numbers of dimensions of the parameters that weight decay is for.
        head: the last layer, from the feature to the logits: its rows are the classes.
        checkpoint_blocks: compute every block again in the backward pass instead of keeping its activations, where the
            network can.
    """

    config: Any
    needs: frozenset[str] = frozenset()
    gives_tokens: ClassVar[bool] = False
    gives_middle: ClassVar[bool] = False
    hides_patches: ClassVar[bool] = False
    says: tuple[str, ...] = ()
    not_exported: ClassVar[str] = ""
    fixed: ClassVar[tuple[str, ...]] = ()
    decayed: ClassVar[tuple[int, ...]] = (2,)
    head: nn.Linear
    checkpoint_blocks: bool = False

    @abstractmethod
    def forward(
        self, frames: Float[Tensor, "b t 3 h w"], landmark_map: Float[Tensor, "bt 128 u v"] | None = None
    ) -> Answer:
        """Logits and feature of b clips of t frames, normalised as the weights demand."""

    def layers(self) -> list[list[nn.Parameter]]:
        """All parameters but the added ones, shallow to deep, the head in the last: for layer decay. Here one layer."""
        return [list(self.parameters())]

    def added(self) -> list[nn.Parameter]:
        """Parameters that were put beside a pretrained trunk; they learn at a rate of their own."""
        return []

    def learn_only(self, what: Learns) -> None:
        """Freeze what a stage leaves as it is; ``all`` freezes nothing. Raises ValueError for a stage it has not."""
        if what != "all":
            raise ValueError(f"{type(self).__name__} has no {what}")
        self.requires_grad_(True)
        for name in self.fixed:
            getattr(self, name).requires_grad_(False)

    def train(self, mode: bool = True) -> Net:
        """As usual, but for the parts that are fixed."""
        super().train(mode)
        for name in self.fixed:
            getattr(self, name).eval()
        return self

    def take_landmarks(self, net: MobileFaceNet) -> None:
        """Before training: copy what is fixed inside from the landmark net that the run has. Here nothing."""

    def last_map(self) -> tuple[nn.Module, int]:
        """The module whose output is the last one with places, and how many of its leading tokens are no places.

        For Grad-CAM. Its output is (n, places, channels), or (n, channels, height, width).
        """
        raise NotImplementedError

    def attention(self, last_map: Tensor) -> Float[Tensor, "n g g"]:
        """How much of the answer rests on each place of the last map, >= 0, with a gradient; on a square grid.

        Args:
            last_map: the output of the module that :meth:`last_map` names.
        """
        raise NotImplementedError


def freeze_layers(net: Net, count: int) -> None:
    """Keep the ``count`` shallowest layers as they are, and what was added beside the trunk; 0 freezes nothing.

    Nothing before the first layer that learns is computed backwards then.

    Raises:
        ConfigError: it has no more layers than that.
    """
    layers = net.layers()
    if count >= len(layers):
        raise ConfigError(f"at most {len(layers) - 1} frozen layers", str(count), "lower --recipe.frozen")
    for parameters in [*layers[:count], net.added()] if count else []:
        for parameter in parameters:
            parameter.requires_grad_(False)


def parameter_groups(net: Net, weight_decay: float, layer_decay: float, added_rate: float) -> list[dict[str, Any]]:
    """Optimizer groups of what learns, by depth: the rate falls by ``layer_decay`` a layer from the last one down.

    What was added beside a trunk learns at ``added_rate``.
    """
    layers = net.layers()
    scales = [layer_decay ** (len(layers) - 1 - place) for place in range(len(layers))]
    groups: list[dict[str, Any]] = []
    for params, scale in zip([*layers, net.added()], [*scales, added_rate], strict=True):
        learning = [p for p in params if p.requires_grad]
        for decays in (True, False):
            some = [p for p in learning if (p.ndim in net.decayed) == decays]
            groups.append({"params": some, "weight_decay": weight_decay if decays else 0.0, "scale": scale})
    return [group for group in groups if group["params"]]
