"""Linear maps in oneDNN's own weight layout: a tenth faster than ``nn.Linear`` on a CPU, and the GELU for nothing.

The two operators are those that ``torch.compile`` puts into a frozen network; PyTorch has no public name for them. So
speed alone rests on them: where they are missing, :func:`pack` leaves the network as it is.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.models.fast import LinearGelu

ROWS = 3152
"""For which oneDNN chooses the layout: the tokens of 16 frames of 224 pixels. Any number of rows can be mapped."""

Network = TypeVar("Network", bound=nn.Module)


class PackedLinear(nn.Module):
    """An ``nn.Linear`` or :class:`LinearGelu` for inference on the CPU, its weight rearranged once.

    It holds no parameters: it stays on the CPU and out of state dicts. A copy or a pickle is packed anew.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._kind = type(linear)
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._then = "gelu" if isinstance(linear, LinearGelu) else "none"
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, x: Float[Tensor, "*b k"]) -> Float[Tensor, "*b n"]:
        """As the map that was packed."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, self._then, [], "none")
        return mapped

    def unpacked(self) -> nn.Linear:
        """The map that was packed."""
        weight = self._weight.to_dense()
        linear = self._kind(weight.shape[1], weight.shape[0], bias=self._bias is not None, device="meta")
        linear.weight = nn.Parameter(weight, requires_grad=False)
        if self._bias is not None:
            linear.bias = nn.Parameter(self._bias, requires_grad=False)
        return linear

    def __reduce__(self) -> tuple[type[PackedLinear], tuple[nn.Linear]]:
        return PackedLinear, (self.unpacked(),)


def pack(network: Network) -> Network:
    """Pack the linear maps inside ``network`` in place, where this PyTorch can, and this CPU in their precision."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if has_onednn and hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.Linear) and computes_in(child.weight.dtype):
                    setattr(parent, name, PackedLinear(child))
    return network


def computes_in(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes in ``dtype`` here: bfloat16 wants a CPU with AVX-512."""
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def unpack(network: Network) -> Network:
    """Undo :func:`pack` in place: for export, or another device."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, PackedLinear):
                setattr(parent, name, child.unpacked())
    return network
