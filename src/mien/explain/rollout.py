"""Attention rollout (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", arXiv 2005.00928, section 3).

Per block the weights are averaged over the heads and, for the skip around the attention, mixed half and half with the
identity; the product over the blocks says how much of each place reaches the class token, which is all the head reads.
It follows the transformer's own attention, frame by frame: what S2D's prompters and temporal adapters add to the tokens
counts as part of the skip. It does not depend on the label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mien.explain.base import Method, even, listening, readable
from mien.models.vit import Attention, Block

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel


class Rollout(Method):
    """Where the class token's attention comes from in the end."""

    name = "rollout"
    title = "attention\nrollout"
    unit = "times an even spread"

    def can_ask(self, model: LoadedModel) -> bool:
        """A transformer."""
        return model.record.network == "s2d"

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        """The class token's row of the rolled-out attention, without the class token itself."""
        flow: list[Tensor] = []

        def follow(attention: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            mixed = with_skip(cast(Attention, attention).weights(inputs[0]).mean(1))
            flow[:] = [mixed @ flow[0] if flow else mixed]

        blocks = (cast(Block, block) for block in readable(model).backbone.blocks)
        with listening([block.attn.register_forward_pre_hook(follow) for block in blocks]):
            model.probabilities(images[None])
        return even(flow[0][:, 0, 1:].double().cpu().numpy())


def with_skip(weights: Float[Tensor, "b l l"]) -> Float[Tensor, "b l l"]:
    """Attention and the skip around it, half and half (the paper's A = 0.5 W + 0.5 I)."""
    return (weights + torch.eye(weights.shape[-1], device=weights.device, dtype=weights.dtype)) / 2
