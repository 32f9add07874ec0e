"""The training loop: seeded, on any number of devices, resumable to the bit.

A task says what an item is and what its loss is; the loop owns order, rate, averaging, checkpoints and the log.
Everything random is drawn from a device's generator, from torch's global one there, or from an item's own number
(:class:`mien.training.task.Task`), and all of it is in the checkpoint: a run killed at any moment and resumed gives the
weights of an uninterrupted run.
"""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import math
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, default_collate

from mien.core.errors import ConfigError, InputError, WeightsError
from mien.core.files import whole_file
from mien.data.sampling import epoch_order
from mien.models.torch_file import read_torch
from mien.training import machine
from mien.training.checkpoints import Checkpoints, save_state
from mien.training.ema import Ema
from mien.training.logs import Log, Report
from mien.training.optimizers import make_optimizer, parted
from mien.training.plan import FitPlan, learning_rate
from mien.training.sharpness import Moment, uphill
from mien.training.task import Task

__all__ = ["FitPlan", "Report", "fit", "learning_rate"]

RANK_STRIDE = 1_000_003
"""Between the seeds of two processes; the first has the plan's own."""


def fit(task: Task, plan: FitPlan, folder: Path, resume: bool = False, report: Report | None = None) -> Path:
    """Run a task and return the path of its best weights (a ``.pt`` state dict with its figures).

    With several processes only the first returns: the others end here, their part being done.

    Args:
        task: the problem.
        plan: how to fit it.
        folder: gets ``plan.json``, ``log.jsonl``, ``checkpoints/`` and ``best.pt``.
        resume: go on from the last whole checkpoint, where there is one.
        report: called with every line of the log, and with ``{"done", "total"}`` after every step.

    Raises:
        ConfigError: the folder holds a run and ``resume`` is off, or a checkpoint of another number of processes.
    """
    if not resume and Checkpoints(folder / "checkpoints", plan.keep):
        raise ConfigError("a new run folder", f"{folder} with checkpoints", "add --resume or choose another folder")
    run = _Run(task, plan, folder, report)
    try:
        if resume:
            run.load()
        run.train()
    finally:
        run.log.close()
    main, several = run.main, run.fabric.world_size > 1
    if several:
        run.fabric.barrier()
        # DDP must let go of the group before the group goes: else the last owner waits, holding Python's lock, for a
        # thread of gloo that may still want that lock to free a tensor, and the process never ends.
        del run
        gc.collect()
        distributed.destroy_process_group()
    if not main:
        raise SystemExit(0)
    return folder / "best.pt"


class _Run:
    def __init__(self, task: Task, plan: FitPlan, folder: Path, report: Report | None) -> None:
        self.task, self.plan, self.folder = task, plan, folder
        self.fabric = machine.make_fabric(plan, task.idle_parameters)
        self.main = self.fabric.is_global_zero
        if self.main:
            with whole_file(folder / "plan.json") as draft:
                draft.write_text(json.dumps(dataclasses.asdict(plan), indent=2))
        self.log = Log(folder, report, plan.tensorboard, self.main)
        self.checkpoints = Checkpoints(folder / "checkpoints", plan.keep)
        seed = plan.seed + RANK_STRIDE * self.fabric.global_rank
        torch.manual_seed(seed)
        self.rng = torch.Generator().manual_seed(seed)
        self.net = task.module
        self.module = self.fabric.setup_module(task.module)
        groups = parted(task.module, task.groups(plan.weight_decay), plan)
        self.scales = [group.pop("scale", 1.0) for group in groups]
        self.learning = [p for group in groups for p in group["params"]]
        self.optimizer: Any = self.fabric.setup_optimizers(make_optimizer(groups, plan))
        self.average = Ema(self.net, plan.ema)
        self.order: Tensor | None = None
        self.epoch = self.step = 0
        self.validated = -1
        self.steps = math.ceil(task.items / plan.batch)
        self.best = -math.inf
        self.saved = time.monotonic()

    @property
    def done(self) -> int:
        """Steps since the start."""
        return self.epoch * self.steps + self.step

    @property
    def total(self) -> int:
        everything = self.plan.epochs * self.steps
        return min(self.plan.max_steps, everything) if self.plan.max_steps else everything

    def train(self) -> None:
        counts = [sum(p.numel() for p in part) for part in (self.learning, self.net.parameters())]
        self.log.write({"done": self.done, "learning": counts[0], "parameters": counts[1]})
        while self.validated < self.total:
            self._train_epoch()
            self._validate()

    def _train_epoch(self) -> None:
        if self.order is None:
            task = self.task
            self.order = epoch_order(task.labels, task.items, self.plan.balanced, self.rng, task.together)
            self.order = self.fabric.broadcast(self.order)
        self.task.start_epoch(self.epoch)
        self.module.train()
        stop = min(self.steps, self.total - self.epoch * self.steps)
        parts = self._parts(self.order, stop)
        start, first = time.monotonic(), self.step
        sums: defaultdict[str, float] = defaultdict(float)
        while self.step < stop:
            for name, value in self._train_step(parts).items():
                sums[name] += value
            self.log.say({"done": self.done, "total": self.total})
            if self._due():
                self.save()
            if self.step % self.plan.log_every == 0:
                taken = self.step - first
                line: dict[str, float] = {"done": self.done, "epoch": self.epoch, "step": self.step, "of": self.steps}
                losses = {name: self._mean(value / taken) for name, value in sums.items()}
                line["loss"] = sum(losses.values())
                line |= {f"loss.{name}": value for name, value in losses.items() if len(losses) > 1}
                self.log.write({**line, "seconds_per_step": (time.monotonic() - start) / taken})

    def _mean(self, value: float) -> float:
        """Over all processes."""
        if self.fabric.world_size == 1:
            return value
        mean: Any = self.fabric.all_reduce(torch.tensor(value, device=self.fabric.device), reduce_op="mean")
        return float(mean)

    def _due(self) -> bool:
        """Whether the state should be kept now; one clock decides for all processes."""
        due = time.monotonic() - self.saved > 60 * self.plan.checkpoint_minutes
        return bool(self.fabric.broadcast(due)) if self.fabric.world_size > 1 else due

    def _parts(self, order: Tensor, stop: int) -> Iterator[tuple[Any, float]]:
        """This device's batches from here on, ``accumulate`` a step, each with its weight in the step's mean loss."""
        pieces: list[Tensor] = []
        weights: list[float] = []
        share = self.fabric.world_size * self.plan.accumulate
        for step in range(self.step, stop):
            rows = order[step * self.plan.batch : (step + 1) * self.plan.batch]
            for part in range(self.plan.accumulate):
                mine = torch.arange(len(rows))[self.fabric.global_rank * self.plan.accumulate + part :: share]
                # The last batch may leave a device without an item; it takes one along that counts nothing.
                pieces.append(mine + step * self.plan.batch if len(mine) else torch.tensor([step * self.plan.batch]))
                weights.append(len(mine) * self.fabric.world_size / len(rows))
        yield from zip(self._load(order, pieces), weights, strict=True)

    def _load(self, order: Tensor, pieces: list[Tensor]) -> Iterator[Any]:
        if self.task.data is None:
            yield from (order[piece] for piece in pieces)
            return
        first = self.epoch * self.steps * self.plan.batch
        keys = [[(int(order[place]), first + place) for place in piece.tolist()] for piece in pieces]
        loader: DataLoader[Any] = DataLoader(
            _Told(self.task.data),
            batch_sampler=keys,
            collate_fn=_collate,
            num_workers=self.plan.workers,
            multiprocessing_context=_fresh_processes() if self.plan.workers else None,
            worker_init_fn=_one_core,
            # A generator of its own: without it every start of a loader would draw from torch's global one.
            generator=torch.Generator(),
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield self.fabric.to_device(batch)

    def _train_step(self, parts: Iterator[tuple[Any, float]]) -> dict[str, float]:
        share = learning_rate(self.done, self.plan.epochs * self.steps, self.plan)
        self.task.progress = self.done / (self.plan.epochs * self.steps)
        for group, scale in zip(self.optimizer.param_groups, self.scales, strict=True):
            group["lr"] = self.plan.peak_lr * share * scale
        self.optimizer.zero_grad(set_to_none=True)
        batches = list(itertools.islice(parts, self.plan.accumulate))
        total = self._sharp_gradient(batches) if self.plan.sharpness else self._gradient(batches)
        if self.step == 0:
            self.log.pictures(self.task.pictures(batches[-1][0]), self.done)
        self.fabric.clip_gradients(self.module, self.optimizer, max_norm=self.plan.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.done)
        return total

    def _gradient(self, batches: list[tuple[Any, float]], sync: bool = True) -> dict[str, float]:
        """Leave the gradient of a step's mean loss in the weights; that loss, by name, comes back."""
        total: defaultdict[str, float] = defaultdict(float)
        for part, (batch, weight) in enumerate(batches):
            apart = not sync or part < len(batches) - 1
            with self.fabric.no_backward_sync(self.module, enabled=apart):
                with self.fabric.autocast():
                    losses = self.task.loss(self.module, batch, self.rng)
                    terms = {name: loss * weight for name, loss in losses.items()}
                    loss = torch.stack(list(terms.values())).sum() if len(terms) > 1 else next(iter(terms.values()))
                self.fabric.backward(loss)
            for name, term in terms.items():
                total[name] += term.item()
        return total

    def _sharp_gradient(self, batches: list[tuple[Any, float]]) -> dict[str, float]:
        """Likewise, with the gradient up the slope; the loss that comes back, and the buffers, are of the weights."""
        moment = Moment(self.net, self.rng)
        total = self._gradient(batches, sync=False)
        with uphill(self.learning, self.plan.sharpness), moment.again():
            self.optimizer.zero_grad(set_to_none=True)
            self._gradient(batches)
        return total

    def _validate(self) -> None:
        with self.average.in_place():
            self.module.eval()
            # Not the wrapped module: what is shipped computes in float32, and so does what is validated.
            figures = self.task.validate(self.net)
            if figures["score"] > self.best:
                self.best = figures["score"]
                state = {"module": machine.whole_state(self.net), "epoch": self.epoch, "figures": figures}
                if self.main:
                    save_state(state, self.folder / "best.pt")
        line = {"done": self.done, "epoch": self.epoch, **figures, "best": self.best}
        self.validated = self.done
        if self.step == self.steps:
            self.epoch, self.step, self.order = self.epoch + 1, 0, None
        self.save()
        self.log.write(line)

    def save(self) -> None:
        """Keep everything that the next step depends on."""
        state = {
            "module": machine.whole_state(self.net),
            "optimizer": machine.whole_optimizer_state(self.net, self.optimizer.optimizer),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "generators": self._generators(),
            "order": self.order,
            "epoch": self.epoch,
            "step": self.step,
            "validated": self.validated,
            "best": self.best,
        }
        with self.average.in_place():
            # The state shares memory with the module, which takes its own weights back below.
            state["average"] = {name: tensor.clone() for name, tensor in machine.whole_state(self.net).items()}
        if self.main:
            self.checkpoints.save(state, self.done)
        self.saved = time.monotonic()

    def load(self) -> None:
        """Go back to where the last whole checkpoint was made.

        Raises:
            ConfigError: it is of another number of processes, or of another run.
        """
        state = self.checkpoints.latest(self._warn)
        if state is None:
            self.log.forget_after(-1)
            return
        try:
            self._take(state)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            got = f"{self.checkpoints.folder}: {(str(error).splitlines() or [''])[0][:200]}"
            raise ConfigError("a checkpoint of this run", got, "resume with the options it was begun with") from error
        if self.best > -math.inf and not self._has_best():
            self._warn(f"{self.folder / 'best.pt'} is torn: the best of this epoch and those to come will be taken")
            self.best, self.validated = -math.inf, -1
        self.log.forget_after(self.done)

    def _warn(self, text: str) -> None:
        self.log.say({"warning": text})

    def _has_best(self) -> bool:
        try:
            read_torch(self.folder / "best.pt")
        except WeightsError:
            return False
        return True

    def _take(self, state: dict[str, Any]) -> None:
        if len(state["generators"]) != self.fabric.world_size:
            got = f"{self.fabric.world_size}, and a checkpoint of {len(state['generators'])}"
            raise ConfigError("as many processes as before", got, "resume with the same devices and nodes")
        with self.average.in_place():
            machine.load_whole_state(self.net, state["average"])
        machine.load_whole_state(self.net, state["module"])
        machine.load_whole_optimizer_state(self.net, self.optimizer.optimizer, state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        own, cpu, gpu = state["generators"][self.fabric.global_rank]
        self.rng.set_state(own)
        torch.set_rng_state(cpu)
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)
        self.order, self.epoch, self.step = state["order"], state["epoch"], state["step"]
        self.validated, self.best = state["validated"], state["best"]

    def _generators(self) -> list[Any]:
        """The states of every process' generators, by rank."""
        gpu = torch.cuda.get_rng_state() if self.fabric.device.type == "cuda" else None
        mine = (self.rng.get_state(), torch.get_rng_state(), gpu)
        everybody: list[Any] = [mine]
        if self.fabric.world_size > 1:
            everybody *= self.fabric.world_size
            distributed.all_gather_object(everybody, mine)
        return everybody


class _Told(Dataset[Any]):
    """Items, or what is wrong with one as a value: a worker's exception would arrive as another one, without its parts.

    Args:
        data: the task's items.
    """

    def __init__(self, data: Dataset[Any]) -> None:
        self.data = data

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.data[key]
        except InputError as error:
            return error


def _fresh_processes() -> BaseContext:
    """Where loading workers come from: a forked copy of this process can hang on threads that it has not, of a decoder
    say. The server that makes them has all imports done, so that an epoch's workers are there at once.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mien.training.loop", "mien.data.pixels"])
    return context


def _one_core(_: int) -> None:
    cv2.setNumThreads(1)


def _collate(items: list[Any]) -> Any:
    return next((item for item in items if isinstance(item, InputError)), None) or default_collate(items)
