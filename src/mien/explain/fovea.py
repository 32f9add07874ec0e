"""The prompters' fovea: where S2D's MCP sharpens the image view (S2D, arXiv 2312.05447, "Fovea"; models/prompts.py).

Each prompter maps the image tokens to 8 channels v and weights every channel by its own softmax over the places,
softmax(lambda v). This map is that softmax, averaged over channels and blocks (or of one block). It says where the
network reads the face more closely *before* it decides: it depends on the face, not on the label. A flat map (near 1
everywhere) means that training left v small, and the fovea with nothing to choose.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.explain.base import Method, even, listening, readable
from mien.models.prompts import Prompter

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel


class Fovea(Method):
    """The softmax over places inside the prompters.

    Args:
        block: of which block, from 0; None for the mean over all.
    """

    name = "fovea"
    title = "prompters'\nfovea"
    unit = "times an even spread"

    def __init__(self, block: int | None = None) -> None:
        self.block = block

    def can_ask(self, model: LoadedModel) -> bool:
        """Prompters."""
        return model.record.network == "s2d" and model.network.net.config.fused == "mcp"

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        """Mean over channels, then over the chosen blocks."""
        weights: list[Tensor] = []

        def see(smooth: Tensor, _: nn.Module, __: tuple[Tensor, ...], v: Tensor) -> None:
            weights.append((smooth * v).softmax(dim=1).mean(-1))

        prompters = self._chosen(model)
        with listening([one.visual.register_forward_hook(partial(see, one.smooth)) for one in prompters]):
            model.probabilities(images[None])
        return even(torch.stack(weights).mean(0).double().cpu().numpy())

    def _chosen(self, model: LoadedModel) -> list[Prompter]:
        config = readable(model).config
        if config.fused != "mcp":
            raise ConfigError("a model with prompters", f"{model.record.name} without", "use --method rollout")
        if self.block is not None and not 0 <= self.block < config.depth:
            raise ConfigError(f"a block from 0 to {config.depth - 1}", str(self.block), "choose one of them")
        prompters = [cast(Prompter, one) for one in readable(model).prompters]
        return prompters if self.block is None else [prompters[self.block]]
