"""What a network's answer rests on in its last map: the map that cues train (:mod:`mien.training.cued`).

Of a transformer the class token's attention in the last block, the mean over the heads; of a CNN the mean of its last
map's channels. It does not depend on the label. Rollout follows attention through all blocks; this is the last one's
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.explain.base import Method, even, listening
from mien.models.net import Net

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel


class LastAttention(Method):
    """Where the network looks last; named ``attention``, and no part of ``all``."""

    name = "attention"
    title = "last\nattention"
    unit = "times an even spread"
    in_all = False

    def can_ask(self, model: LoadedModel) -> bool:
        """A map of attention."""
        return type(model.network.net).attention is not Net.attention and isinstance(model.network.net, Net)

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        """Of every frame."""
        net = model.network.net
        if not self.can_ask(model):
            expected = "a network with a map of attention, not folded"
            raise ConfigError(expected, model.record.network, "use --method occlusion")
        module, _ = net.last_map()
        seen: list[Tensor] = []

        def see(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            seen[:] = [net.attention(output)]

        with listening([module.register_forward_hook(see)]):
            model.probabilities(images[None])
        return even(seen[0].flatten(1).double().cpu().numpy())
