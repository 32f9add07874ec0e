"""What keeps training from going on: how far the gradients of two batches agree, on a trained image model.

    python tools/gradient_noise.py WEIGHTS --data ferplus_48.npz [--batch 64] [--batches 6] [--plain]

For every block: the mean cosine between the gradients of different batches of training faces, augmented as the recipe
`ferplus` does (``--plain``: not at all), and the spread (root mean square) of the weights that a step would change.
Near 0, a step is noise: only more faces a step, a smaller rate or an average over many steps leads downhill.
"""

import argparse
import dataclasses
import itertools
import statistics
from pathlib import Path

import torch
from torch import Tensor

from mien.core.settings import thread_count
from mien.data.transforms import Augmentation
from mien.models.find import find_weights
from mien.models.weights import load_weights
from mien.training.labelled import LabelledTask
from mien.training.recipes.shipped import FERPLUS

MATRICES = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def gradients(task: LabelledTask, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    """Of the loss on one batch, by parameter."""
    task.module.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16):
        losses = task.loss(task.module, batch, rng)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    net = task.learner.net
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def agreement(found: list[dict[str, Tensor]], prefix: str) -> float:
    """Mean cosine of the gradients below ``prefix``, over all pairs of batches."""
    flat = [torch.cat([g.flatten() for name, g in one.items() if name.startswith(prefix)]) for one in found]
    return statistics.mean(
        float(torch.cosine_similarity(one, two, dim=0)) for one, two in itertools.combinations(flat, 2)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(thread_count())
    recognizer, _ = load_weights(find_weights(given.weights))
    recipe = dataclasses.replace(FERPLUS.recipe, model=recognizer.s2d.config, sizes=())
    if given.plain:
        recipe = dataclasses.replace(recipe, augmentation=Augmentation())
    rows, held_out = dataclasses.replace(FERPLUS, data=given.data).rows()
    recognizer.s2d.requires_grad_(True)
    task = LabelledTask(rows, held_out, recognizer, recipe, seed=0)
    task.module.train()
    rng = torch.Generator().manual_seed(0)
    order = torch.randperm(task.items, generator=rng)[: given.batch * given.batches]
    found = [gradients(task, batch, rng) for batch in order.split(given.batch)]
    state = task.learner.net.state_dict()
    print(f"{given.batches} batches of {given.batch}: cosine of their gradients, {agreement(found, ''):.3f} over all")
    print(f"{'':<24}{'cosine':>8}   spread of {', '.join(MATRICES)}")
    for place in range(recipe.model.depth):
        prefix = f"backbone.blocks.{place}."
        spreads = [state[f"{prefix}{part}.weight"].square().mean().sqrt().item() for part in MATRICES]
        print(f"block {place:<18}{agreement(found, prefix):8.3f}   {', '.join(f'{spread:.4f}' for spread in spreads)}")
    for prefix in ("backbone.patch_embed", "prompters", "head"):
        print(f"{prefix:<24}{agreement(found, prefix):8.3f}")


if __name__ == "__main__":
    main()
