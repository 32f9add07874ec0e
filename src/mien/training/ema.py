"""The running mean of a module's weights (Polyak averaging), kept beside it and put in its place for validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Exponential mean of what changes in a module: its learning parameters and its buffers.

    Args:
        module: as it will be trained, on its device.
        decay: in [0, 1); 0 keeps no mean, and :meth:`in_place` does nothing.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.now: list[Tensor] = [p for p in module.parameters() if p.requires_grad] + list(module.buffers())
        self.mean = [tensor.detach().clone() for tensor in self.now] if decay else []

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Take in the weights after ``done`` steps."""
        # A young average forgets faster, so that the random start does not linger in it.
        decay = min(self.decay, (1 + done) / (10 + done))
        for mean, now in zip(self.mean, self.now[: len(self.mean)], strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module holds the mean inside the block, and its own weights, to the bit, after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for mean, now in zip(self.mean, self.now[: len(self.mean)], strict=True):
            kept = now.detach().clone()
            now.copy_(mean)
            mean.copy_(kept)
