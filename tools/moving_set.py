"""A set of clips to train a video model by: labelled faces made to move, and rendered people who move by themselves.

    mien prepare people --model head.npz --size 48 --frames 8 --rate 5 --each 1 --seed 40 --test 0 -o people
    python tools/moving_set.py ferplus_48.npz people --count 3000 -o both
    mien train videos --data both ...

A face's clip is the face alone, in motion and in changing light, spoilt and covered now and then, and has the face's
own votes; rendered clips keep theirs. Training faces only. The people stay where they are: the new set points at them.
"""

import argparse
import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np
import torch

from mien.core.files import whole_file
from mien.data.datasets.ferplus import read_archive
from mien.data.manifest import Manifest, Row, load_manifest
from mien.data.moving import Motion, moving_clips
from mien.data.pixels import read_clip

MOTION = Motion(change=0.0)
AT_ONCE = 128


def moving_rows(faces: Manifest, frames: int, seed: int, out: Path) -> list[Row]:
    """Write a clip of every face, as a folder of grey frames, and say where."""
    rng, still, rows = torch.Generator().manual_seed(seed), torch.eye(3), []
    for first in range(0, len(faces), AT_ONCE):
        some = faces.rows[first : first + AT_ONCE]
        images = np.stack([read_clip(faces, row)[0, :1] for row in some])
        pixels = torch.from_numpy(images).float() / 255
        onto = still.expand(len(some), 3, 3)
        clips, _ = moving_clips(pixels, pixels, onto, frames, pixels.shape[-1], MOTION, rng)
        for place, (row, clip) in enumerate(zip(some, (255 * clips[:, :, 0]).round().byte().numpy(), strict=True)):
            path = Path("faces", f"{first // 1000:04d}", f"{first + place:07d}")
            for number, image in enumerate(clip):
                with whole_file(out / path / f"{number:03d}.png") as draft:
                    draft.write_bytes(cv2.imencode(".png", image)[1].tobytes())
            rows.append(dataclasses.replace(row, path=path.as_posix(), kind="frames"))
    return rows


def main(faces: Path, people: Path | None, out: Path, count: int, frames: int, seed: int) -> Manifest:
    """Write the set."""
    whole = read_archive(faces).select("train")
    chosen = np.random.default_rng(seed).permutation(len(whole))[:count]
    rows = moving_rows(dataclasses.replace(whole, rows=tuple(whole.rows[k] for k in chosen)), frames, seed, out)
    root = out.resolve()
    if people is not None:
        rendered = load_manifest(people).select("train")
        root = Path(os.path.commonpath([out.resolve(), rendered.root.resolve()]))
        before = out.resolve().relative_to(root)
        rows = [dataclasses.replace(row, path=(before / row.path).as_posix()) for row in rows]
        there = rendered.root.resolve().relative_to(root)
        rows += [
            dataclasses.replace(row, id=f"people-{row.id}", path=(there / row.path).as_posix()) for row in rendered.rows
        ]
    notes = (f"{min(count, len(whole))} faces made to move by tools/moving_set.py, seed {seed}",)
    size = int(read_clip(whole, whole.rows[0]).shape[-1])
    made = Manifest("moving faces", whole.labels, tuple(rows), root, size, notes)
    made.save(out)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path, help="the FERPlus .npz")
    parser.add_argument("people", type=Path, nargs="?", help="a set of rendered clips")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3000, help="faces")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    print(main(**vars(parser.parse_args())).notes[0])
