"""How right a model still is with some of its blocks only, and at another input size, before any training.

    python tools/keep_blocks.py WEIGHTS --data ferplus_48.npz [--size 70] --keep 0,1,3,4,6,7 [--keep 0,1,2,3,4,5 ...]

On 512 images of FERPlus' validation split, in bfloat16: which blocks a smaller model should begin with.
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from answers import predict

from mien.core.settings import thread_count
from mien.data.ferplus import FerPlusSplit, read_ferplus
from mien.models.find import find_weights
from mien.models.landmarks import fold
from mien.models.s2d import S2D
from mien.models.vit import resize_positions
from mien.models.weights import Recognizer, load_weights
from mien.training.start import state_of_blocks

IMAGES = 512


def cut(whole: Recognizer, keep: list[int], size: int) -> Recognizer:
    """The model with these blocks, at this input size."""
    s2d = S2D(dataclasses.replace(whole.s2d.config, depth=len(keep), input_size=size))
    state = state_of_blocks(whole.s2d, keep)
    state["backbone.pos_embed"] = resize_positions(state["backbone.pos_embed"], s2d.config.grid)
    s2d.load_state_dict(state)
    return Recognizer(s2d, whole.landmarks, dataclasses.replace(whole.preprocessing, input_size=size)).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=70)
    parser.add_argument("--keep", action="append", required=True)
    given = parser.parse_args()
    torch.set_num_threads(thread_count())
    recognizer, _ = load_weights(find_weights(given.weights))
    if recognizer.landmarks is not None:
        recognizer.landmarks = fold(recognizer.landmarks)
    valid = read_ferplus(given.data, "valid")
    some = torch.randperm(len(valid), generator=torch.Generator().manual_seed(0))[:IMAGES].numpy()
    split = FerPlusSplit(valid.images[some], valid.targets[some], valid.labels[some])
    for text in given.keep:
        smaller = cut(recognizer, [int(number) for number in text.split(",")], given.size)
        with torch.autocast("cpu", torch.bfloat16):
            answers = predict(smaller, split).argmax(1).numpy()
        print(f"{given.size} px, blocks {text}: {100 * (answers == split.labels).mean():.1f} %", flush=True)


if __name__ == "__main__":
    main()
