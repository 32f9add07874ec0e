"""P6: a stage-2 training step (frozen backbone) against the published layout, and its memory.

    python benchmarks/training.py CLIP [--runs 3] [--quick | --long] [--profile]

The targets are for s2d-base (--long); s2d-small otherwise, whose steps take a quarter of the time.

One clip of 16 frames of 224 pixels on one thread: forward, cross-entropy, backward, AdamW. The published layout
computes in float32; ours as `mien train` does, in bfloat16 where the CPU has it (weights and moments in float32),
once keeping all activations and once computing every block again. Each runs in a process of its own; they take turns,
and CPU seconds are counted. Gradients are compared before the first step; memory is the rise of the peak from one
clip to two, as the operating system counts it. The last row sets the step against loading: decoding and augmenting
one clip of a prepared set (the faces of CLIP, as `mien prepare` stores them) by the recipe `dfew`, on one core.
"""

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from published import Published, random_weights
from rounds import Worker, ratios, spread, use_threads
from torch import Tensor, nn

from mien.core.labels import LABEL_SPACES
from mien.data.crop_settings import CropSettings
from mien.data.crops import Cropper, Job
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count
from mien.models.packed import computes_in
from mien.models.s2d import S2D
from mien.models.zoo import make_config
from mien.training.recipes.s2d import STAGE2
from mien.training.sources import Files

FRAMES, SIDE = 16, 224
WAYS = ("published", "ours", "checkpointed")
TARGETS = {"ours": 2.4, "checkpointed": 1.8}
LEAST_COSINE, MOST_MB = 0.999, 400


class Training:
    """A network in stage 2, and its steps."""

    def __init__(self, name: str, way: str) -> None:
        torch.set_num_threads(1)
        self.ours = way != "published"
        s2d = random_weights(S2D(make_config(name, frames=FRAMES, dropout=0.0)))
        s2d.learn_only("stage2")
        s2d.checkpoint_blocks = way == "checkpointed"
        self.learning = [parameter for parameter in s2d.parameters() if parameter.requires_grad]
        self.network: nn.Module = s2d if self.ours else Published(s2d)
        self.optimizer = torch.optim.AdamW(self.learning, lr=1e-5)

    def backward(self, clips: int) -> None:
        """The gradients of so many clips."""
        rng = torch.Generator().manual_seed(0)
        video = torch.randn(clips, FRAMES, 3, SIDE, SIDE, generator=rng)
        landmark_map = torch.randn(clips * FRAMES, 128, 14, 14, generator=rng)
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.ours and computes_in(torch.bfloat16)):
            logits = self.network(video, landmark_map)[0]
        F.cross_entropy(logits.float(), torch.arange(clips)).backward()

    def gradient(self) -> Tensor:
        """Of one clip, all in one vector; a parameter that nothing uses has none."""
        self.backward(1)
        return torch.cat([parameter.grad.flatten() for parameter in self.learning if parameter.grad is not None])

    def seconds(self) -> float:
        """CPU seconds of a step with one clip."""
        start = time.process_time()
        self.backward(1)
        self.optimizer.step()
        return time.process_time() - start

    def further(self) -> float:
        """MB by which the peak rises from one clip to two."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.backward(2)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e6


def profile(name: str, way: str) -> list[str]:
    """What a step's time goes into, by torch's own operations."""
    training = Training(name, way)
    training.seconds()  # the first one makes the optimizer's state
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        training.seconds()
    parts = sorted(found.key_averages(), key=lambda part: -part.self_cpu_time_total)
    whole = sum(part.self_cpu_time_total for part in parts)
    return [f"  {part.self_cpu_time_total / whole:6.1%} {part.key}" for part in parts[:10]]


def loading(clip: Path, draws: int) -> list[float]:
    """CPU seconds of every draw of a training clip from a prepared set, decoded and augmented."""
    labels = LABEL_SPACES["dfew"]
    with tempfile.TemporaryDirectory() as folder:
        release = Manifest(
            "one clip", labels, (Row("clip", clip.name, "video", labels.labels[0], "train"),), clip.parent
        )
        row = release.rows[0]
        made = Cropper(release, Path(folder), CropSettings())(Job(row, "clip", frame_count(release, row)))
        prepared = (replace(row, path=made.path, kind="frames"),)
        rows = replace(release, rows=prepared, root=Path(folder))
        items = Files(rows, SIDE, STAGE2.frames, STAGE2.rate, STAGE2.augmentation, 0)
        seconds = []
        for draw in range(draws):
            start = time.process_time()
            items[0, draw]
            seconds.append(time.process_time() - start)
    return seconds[1:]


def measure(clip: Path, runs: int = 3, quick: bool = False, long: bool = False) -> list[str]:
    """The rows of the table."""
    torch.set_num_threads(1)
    use_threads(1)
    name = "s2d-base" if long else "s2d-tiny" if quick else "s2d-small"
    workers = {way: Worker(Training, name, way) for way in WAYS}
    gradients = {way: worker.call("gradient") for way, worker in workers.items()}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way, worker in workers.items():
            seconds[way].append(worker.call("seconds"))
    further = {way: worker.call("further") for way, worker in workers.items() if long or way in TARGETS}
    for worker in workers.values():
        worker.close()
    rows = []
    for way, target in TARGETS.items():
        cosine = float(torch.cosine_similarity(gradients["published"].double(), gradients[way].double(), dim=0))
        rows.append(
            f"P6 {spread(ratios(seconds['published'], seconds[way]))} {name}, {way} (target {target}; gradient cosine "
            f"{cosine:.5f}, target {LEAST_COSINE}), {further[way]:.0f} MB a further clip"
            + (f" (target {MOST_MB})" if way == "checkpointed" else "")
        )
    median = ", ".join(f"{way} {statistics.median(values):.1f}" for way, values in seconds.items())
    published = f"; published: {further['published']:.0f} MB a further clip" if long else ""
    rows.append(f"  CPU s a step: {median}{published}")
    loads = loading(clip, 5 if quick else 20)
    share = statistics.median(loads) / min(statistics.median(values) for values in seconds.values())
    return [*rows, f"  loading: {spread(loads, 3)} CPU s a clip, {share:.1%} of the quickest step on the same core"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the smallest network")
    parser.add_argument("--long", action="store_true", help="the largest one")
    parser.add_argument("--profile", action="store_true", help="only what a step of s2d-base spends its time on")
    given = parser.parse_args()
    if given.profile:
        print("\n".join(profile("s2d-base", "ours")))
    else:
        print("\n".join(measure(given.clip, given.runs, given.quick, given.long)))
