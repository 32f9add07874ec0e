"""Grad-CAM (Selvaraju et al., "Grad-CAM", arXiv 1610.02391, eq. 1 and 2), for every network that has a last map.

A place is worth ReLU(sum_k w_k A_k): A are the channels of the network's last map with places, w_k the mean over the
places of the gradient of the label's logit by A_k. Of an S2D network the map is what the last block attends to. It
depends on the label, and shows only what speaks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.explain.base import Method, listening
from mien.models.net import Net

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel


class GradCam(Method):
    """What speaks for the label in the last map."""

    name = "gradcam"
    title = "Grad-CAM"
    unit = "logit a place"

    def can_ask(self, model: LoadedModel) -> bool:
        """A last map."""
        return type(model.network.net).last_map is not Net.last_map

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        """The map of every frame; the places of tokens in reading order."""
        net = model.network.net
        if not self.can_ask(model):
            raise ConfigError("a network with a last map", model.record.network, "use another method")
        if not isinstance(net, Net):
            fix = "load it with load_model(name, folded=False)"
            raise ConfigError("a model with readable parts", "a folded one", fix)
        module, leading = net.last_map()
        kept: list[Tensor] = []

        def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
            kept[:] = [output.detach().requires_grad_(True)]  # the weights learn nothing: gradients begin here
            return kept[0]

        with listening([module.register_forward_hook(keep)]), torch.enable_grad():
            device = next(net.parameters()).device
            logits: Tensor = model.network(torch.from_numpy(np.ascontiguousarray(images[None])).to(device))
            (gradient,) = torch.autograd.grad(logits[0, label], kept)
        values = kept[0].detach()
        if values.ndim == 3:
            values, gradient = (_on_grid(part[:, leading:]) for part in (values, gradient))
        weights = gradient.mean((2, 3), keepdim=True)
        found: Float[np.ndarray, "t g g"] = (weights * values).sum(1).relu().double().cpu().numpy()
        return found


def _on_grid(tokens: Float[Tensor, "n l d"]) -> Float[Tensor, "n d g g"]:
    n, length, d = tokens.shape
    side = round(length**0.5)
    return tokens.transpose(1, 2).reshape(n, d, side, side)
