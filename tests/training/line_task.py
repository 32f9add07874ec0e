"""A small noisy problem, and a program that fits it: ``python line_task.py FOLDER {json of FitPlan fields}``."""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mien.training.loop import FitPlan, fit
from mien.training.task import Task


class StopError(Exception):
    pass


class Items(torch.utils.data.Dataset):
    """Points with noise of the draw's own, so that a loader's workers cannot change them."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        item, draw = key
        noise = torch.randn(4, generator=torch.Generator().manual_seed(draw))
        return self.x[item] + 0.1 * noise, self.x[item].sum()[None]


class Running(nn.Module):
    """State that every step changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sum", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Line(Task):
    """Fit a line through points; dropout and the generator make every step random.

    Args:
        stop_at: the step that fails.
        loaded: items come from a data set, else the loss looks them up.
        dropout: rate; 0 for the comparisons of one process with two.
    """

    def __init__(self, stop_at: int | None = None, loaded: bool = False, dropout: float = 0.3) -> None:
        torch.manual_seed(123)
        self.module = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1), Running())
        self.x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        self.y = self.x.sum(1, keepdim=True)
        self.labels = (torch.arange(50) < 5).long()
        self.items, self.steps, self.stop_at = 50, 0, stop_at
        self.seen: list[int] = []
        self.data = Items(self.x) if loaded else None

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        first, last = self.module[0], self.module[3]
        return [
            {"params": list(first.parameters()), "weight_decay": weight_decay, "scale": 0.5},
            {"params": list(last.parameters()), "weight_decay": 0.0},
        ]

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        if self.steps == self.stop_at:
            raise StopError
        self.steps += 1
        if self.data is None:
            self.seen += batch.tolist()
            batch = self.x[batch] + 0.1 * torch.randn(len(batch), 4, generator=rng), self.y[batch]
        x, y = batch
        self.module[-1].sum += y.sum()
        return {"line": (module(x) - y).square().mean()}

    def validate(self, module: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"score": -(module(self.x) - self.y).square().mean().item()}

    def pictures(self, batch: Any) -> torch.Tensor:
        return torch.zeros(2, 3, 4, 4)


if __name__ == "__main__":
    folder, fields, resume = Path(sys.argv[1]), json.loads(sys.argv[2]), "--resume" in sys.argv
    torch.set_num_threads(1)
    try:
        fit(Line(loaded=True, dropout=fields.pop("dropout", 0.3)), FitPlan(**fields), folder, resume)
    finally:
        # One that outlives the run keeps its group of processes, which can then hang at the end of this one.
        left = [one for one in gc.get_objects() if isinstance(one, DistributedDataParallel)]
        assert not left or sys.exc_info()[0] not in (None, SystemExit), left
