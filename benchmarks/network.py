"""P1: the network against the published layout and against the rate of plain matrix products.

    python benchmarks/network.py [--runs 5] [--quick | --long]

From normalised frames (1, 16, 3, 224, 224) to logits on one thread, landmark net included: the published layout
(benchmarks/published.py, with the whole landmark net as released) against what ``load_model`` makes, in float32 and in
bfloat16. Each runs in a process of its own, as its user has it; they take turns, and CPU seconds are counted. The
ceiling is the faster of PyTorch's plain and packed matrix product in the same rounds. Random weights, the same for all;
the landmark net is the shipped one.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from published import Plain, random_weights
from rounds import Worker, ratios, spread
from torch import Tensor, nn

from mien.models.fast import FoldedS2D, fold_s2d
from mien.models.find import find_weights
from mien.models.landmarks import fold, landmark_input
from mien.models.memory import keep_freed_memory
from mien.models.packed import PackedLinear, computes_in, pack
from mien.models.s2d import S2D
from mien.models.weights import load_weights
from mien.models.zoo import make_config

FRAMES, SIDE, TOKENS = 16, 224, 197
TARGETS = {"s2d-base": 1.5, "s2d-small": None, "s2d-tiny": 1.9}
MOST_DIFFERENCE, CEILING = 1e-5, 0.85
CLIP = torch.randn(1, FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


class Variant:
    """One way to run the network of a size, and what to measure of it."""

    def __init__(self, name: str, way: str) -> None:
        torch.set_num_threads(1)
        s2d = random_weights(S2D(make_config(name, frames=FRAMES))).eval()
        landmarks = load_weights(find_weights(None))[0].landmarks
        if way == "published":
            self.flow: Callable[[Tensor], Tensor] = Plain(s2d, landmarks)
            return
        keep_freed_memory()
        network, folded = pack(fold_s2d(s2d, getattr(torch, way))), fold(landmarks)
        self.flow = lambda clip: network(clip, folded.landmark_map(landmark_input(clip.flatten(0, 1))))[0]
        self.places = folded.landmark_map(landmark_input(CLIP[0]))
        self.network = network
        self.products = products(s2d.config.dim)

    @torch.inference_mode()
    def answer(self) -> Tensor:
        """Logits."""
        return self.flow(CLIP)

    def seconds(self) -> float:
        """Of the whole flow."""
        return timed(self.answer)

    @torch.inference_mode()
    def parts(self) -> dict[str, float]:
        """Seconds of the network without the landmark net, and of the matrix products."""
        flows = {"network": lambda: self.network(CLIP, self.places), **self.products}
        return {name: timed(flow) for name, flow in flows.items()}


def timed(flow: Callable[[], object]) -> float:
    """CPU seconds."""
    start = time.process_time()
    flow()
    return time.process_time() - start


def products(dim: int) -> dict[str, Callable[[], object]]:
    """A block's matrix product from four times the width to the width, plain and packed."""
    x, linear = torch.randn(FRAMES * TOKENS, 4 * dim), nn.Linear(4 * dim, dim).requires_grad_(False)
    packed = PackedLinear(linear)
    return {"plain": lambda: linear(x), "packed": lambda: packed(x)}


@torch.inference_mode()
def operations(network: FoldedS2D) -> int:
    """Floating-point operations of the folded network for a clip, a multiplication and its addition counting as 2."""
    total = 0

    def count(linear: nn.Linear, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        nonlocal total
        total += 2 * inputs[0].numel() * linear.out_features

    for part in network.modules():
        if isinstance(part, nn.Linear):
            part.register_forward_hook(count)
    network(CLIP, torch.zeros(FRAMES, 128, 14, 14))
    config = network.config
    attention = 4 * config.dim * FRAMES * TOKENS * ((config.depth - 1) * TOKENS + 1)
    over_time = 4 * (config.dim // 4) * FRAMES**2 * (TOKENS - 1) * config.depth
    return total + attention + over_time


def rows_of(name: str, runs: int) -> list[str]:
    """The rows of one size."""
    dim = make_config(name).dim
    flop = operations(fold_s2d(S2D(make_config(name, frames=FRAMES)).eval()))
    halves = computes_in(torch.bfloat16)  # imitated, it takes six times as long and says nothing
    ways = ("published", "float32", *(("bfloat16",) if halves else ()))
    workers = {way: Worker(Variant, name, way) for way in ways}
    answers = {way: worker.call("answer") for way, worker in workers.items()}  # and warm
    differ = {way: float((answer - answers["published"]).abs().max()) for way, answer in answers.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    parts: list[dict[str, float]] = []
    for _ in range(runs):
        for way, worker in workers.items():
            seconds[way].append(worker.call("seconds"))
        parts.append(workers["float32"].call("parts"))
    for worker in workers.values():
        worker.close()
    product = min(statistics.median(part[kind] for part in parts) for kind in ("plain", "packed"))
    rate = 8 * FRAMES * TOKENS * dim * dim / product
    reached = [flop / rate / part["network"] for part in parts]
    target = f"target {TARGETS[name]}; " if TARGETS[name] else ""
    lines = [
        f"P1 {spread(ratios(seconds['published'], seconds['float32']))} {name} ({target}"
        f"logits differ by {differ['float32']:.0e}, target {MOST_DIFFERENCE:.0e})",
        f"P1 {spread(reached)} of the ceiling (target {CEILING}): {flop / 1e9:.0f} GFLOP at {rate / 1e9:.0f} GFLOP/s",
        f"  CPU s a clip: published {spread(seconds['published'])}, ours {spread(seconds['float32'])}",
    ]
    if halves:
        gain = spread(ratios(seconds["published"], seconds["bfloat16"]))
        most = answers["published"].abs().max()
        lines.append(f"  in bfloat16 {gain}, logits differ by {differ['bfloat16']:.0e} of up to {most:.1f}")
    return lines


def measure(runs: int = 5, quick: bool = False, long: bool = False) -> list[str]:
    """The rows of the table."""
    names = ["s2d-tiny"] if quick else [name for name, target in TARGETS.items() if long or target]
    return [row for name in names for row in rows_of(name, runs)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the smallest network alone")
    parser.add_argument("--long", action="store_true", help="those without a target, too")
    given = parser.parse_args()
    print("\n".join(measure(given.runs, given.quick, given.long)))
