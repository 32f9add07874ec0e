"""The machines a run uses, through Lightning Fabric: devices, processes, precision, and the whole state of a module.

``ddp`` is PyTorch's DistributedDataParallel, ``fsdp`` its fully sharded data parallel of the second kind, one shard
group a transformer block. Both run on CPUs too (gloo), which is how they are tested.
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mien.core.errors import ConfigError, MissingDependencyError
from mien.models.packed import computes_in
from mien.models.vit import Block
from mien.training.learner import Learner
from mien.training.plan import FitPlan

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def make_fabric(plan: FitPlan, idle_parameters: bool = False) -> Fabric:
    """The launched machines of a plan.

    Args:
        plan: devices, strategy, precision.
        idle_parameters: see :class:`mien.training.task.Task`.

    Raises:
        MissingDependencyError: lightning-fabric is not installed.
        ConfigError: a GPU is asked for where there is none, or fp16 on a CPU.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingDependencyError("lightning-fabric", "no such package", "pip install 'mien[train]'") from error
    # It announces devices and precision; the first line of our log says what matters.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    gpu = torch.cuda.is_available() and plan.accelerator != "cpu"
    if plan.accelerator == "gpu" and not gpu:
        raise ConfigError("a GPU", "none that torch can use", "leave out --fit.accelerator gpu")
    if plan.precision == "fp16" and not gpu:
        raise ConfigError("a GPU for fp16", "a CPU", "use --fit.precision bf16 or fp32")
    fabric = Fabric(
        accelerator="cuda" if gpu else "cpu",
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=_strategy(plan, idle_parameters),
        precision=_precision(plan, gpu),
    )
    fabric.launch()
    return fabric


def _precision(plan: FitPlan, gpu: bool) -> Any:
    """Fabric's name. A CPU that can only imitate bfloat16 takes four times as long for it, and gets float32."""
    imitated = plan.precision == "bf16" and not gpu and not computes_in(torch.bfloat16)
    return PRECISIONS["fp32" if imitated else plan.precision]


def _strategy(plan: FitPlan, idle_parameters: bool) -> Any:
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    if plan.strategy == "fsdp":
        # Fabric's ModelParallelStrategy is its name for FSDP2.
        return ModelParallelStrategy(_shard, data_parallel_size=plan.world, tensor_parallel_size=1)
    if plan.strategy == "ddp" or plan.world > 1:
        return DDPStrategy(find_unused_parameters=idle_parameters)
    return "auto"


def _shard(module: nn.Module, mesh: Any) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    shards = mesh["data_parallel"]
    for part in module.modules():
        if isinstance(part, Block):
            fully_shard(part, mesh=shards)
    # The network is the root, not the learner around it: it is validated alone. Terms with weights are roots too.
    roots = [module.net, *module.terms.values()] if isinstance(module, Learner) else [module]
    for root in roots:
        if any(True for _ in root.parameters()):
            # Resharding the root too: weights are swapped for their average between forward passes.
            fully_shard(root, mesh=shards, reshard_after_forward=True)
    return module


def whole_state(module: nn.Module) -> dict[str, Any]:
    """All weights of a module, also of one that is split over devices, on the CPU; empty but on the first process."""
    state: dict[str, Any] = _states().get_model_state_dict(module, options=_whole(cpu_offload=True))
    return state


def load_whole_state(module: nn.Module, state: dict[str, Any]) -> None:
    """The inverse of :func:`whole_state`; every process gives the same ``state``."""
    _states().set_model_state_dict(module, state, options=_whole())


def whole_optimizer_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All moments of an optimizer, likewise, by parameter name."""
    state: dict[str, Any] = _states().get_optimizer_state_dict(module, optimizer, options=_whole(cpu_offload=True))
    return state


def load_whole_optimizer_state(module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """The inverse of :func:`whole_optimizer_state`."""
    # Not strict: a parameter that takes no part in the loss learns nothing and has no moments.
    _states().set_optimizer_state_dict(module, optimizer, state, options=_whole(strict=False))


def _whole(**how: bool) -> Any:
    return _states().StateDictOptions(full_state_dict=True, **how)


def _states() -> ModuleType:
    """Loaded when it is used: it takes half as long as all of torch, and a recipe's --help needs none of it."""
    from torch.distributed.checkpoint import state_dict

    return state_dict
