"""Sharpness-aware steps: Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
Generalization", ICLR 2021, equations 2 and 3 with the Euclidean norm.

A step goes down by the gradient not at the weights w but at the highest point near them, ``w + rho g / |g|`` where g is
the gradient at w: what lies in a wide valley is kept, what needs its weights to the last digit is left. A step takes
two passes and about twice as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def uphill(params: Sequence[nn.Parameter], rho: float) -> Iterator[None]:
    """Inside the block the weights lie ``rho`` up their own gradient; after it they are what they were, to the bit.

    Args:
        params: those with a gradient move, along all of their gradients taken as one vector; without a slope none does.
        rho: how far, in the units of the weights.
    """
    moved = [p for p in params if p.grad is not None]
    kept = [p.detach().clone() for p in moved]
    with torch.no_grad():
        slopes = [p.grad for p in moved if p.grad is not None]
        length = torch.nn.utils.get_total_norm(slopes)
        # Written so that a gradient that overflowed stays not finite: the scaler of fp16 then leaves the step out.
        share = torch.where(length == 0, 0.0, rho / length)
        for p, slope in zip(moved, slopes, strict=True):
            p.add_(slope * share)
    try:
        yield
    finally:
        with torch.no_grad():
            for p, own in zip(moved, kept, strict=True):
                p.copy_(own)


class Moment:
    """What a pass reads and changes beside the weights: generators, and buffers such as statistics of batch norms.

    Args:
        module: the buffers' owner, on its device.
        rng: of this device; torch's global ones are taken too.
    """

    def __init__(self, module: nn.Module, rng: torch.Generator) -> None:
        self.buffers, self.rng = list(module.buffers()), rng
        self.values = self._values()
        self.generators = rng.get_state(), torch.get_rng_state()
        self.gpu = torch.cuda.get_rng_state() if any(p.is_cuda for p in module.parameters()) else None

    def _values(self) -> list[Tensor]:
        return [buffer.detach().clone() for buffer in self.buffers]

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside the block all is as at this moment; after it the buffers are what they were before the block.

        The generators stay where the block leaves them: a pass that draws what the first drew ends where that did.
        """
        first = self._values()
        self.rng.set_state(self.generators[0])
        torch.set_rng_state(self.generators[1])
        if self.gpu is not None:
            torch.cuda.set_rng_state(self.gpu)
        self._put(self.values)
        try:
            yield
        finally:
            self._put(first)

    @torch.no_grad()
    def _put(self, values: list[Tensor]) -> None:
        for buffer, value in zip(self.buffers, values, strict=True):
            buffer.copy_(value)
