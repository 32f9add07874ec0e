"""FERPlus' validation faces, spoilt: one half to adapt to, the other to score, as a prepared set for `mien adapt`.

    python tools/spoilt_set.py ferplus_48.npz --by "noise 15 %" -o spoilt
    mien adapt s2d-tiny --data spoilt --features own --out runs/adapted
    mien evaluate runs/adapted s2d-tiny --data spoilt --compare

Halves are drawn at random; labels of the half to adapt to are there, and `mien adapt` does not read them.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from mien.data.datasets.ferplus import read_archive
from mien.data.pixels import read_clip
from mien.evaluation.corruptions import CORRUPTIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--by", required=True, choices=list(CORRUPTIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    faces, change = read_archive(options.archive).select("valid"), CORRUPTIONS[options.by]
    images = [change(read_clip(faces, row), place)[0] for place, row in enumerate(faces.rows)]
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out / "faces.npz", images=np.stack(images).transpose(0, 2, 3, 1))
    first = np.random.default_rng(options.seed).permutation(len(faces)) < len(faces) // 2
    rows = tuple(
        dataclasses.replace(row, path=f"faces.npz#images/{place}", split="train" if first[place] else "test")
        for place, row in enumerate(faces.rows)
    )
    # Another name than the archive's: what a model learnt of that says nothing of these.
    spoilt = dataclasses.replace(
        faces, name="ferplus-spoilt", rows=rows, root=options.out, crop_size=images[0].shape[-1]
    )
    spoilt.save(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
