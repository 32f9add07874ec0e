"""What encoders of `mien pretrain` know of FERPlus' expressions: a fresh head on the mean of their patch tokens.

    mien pretrain faces --start vit.safetensors --out learnt ...
    mien pretrain faces --start vit.safetensors --out as-it-was --fit.max-steps 1 --fit.lr 1e-12 ...
    python tools/probe_encoder.py ferplus_48.npz learnt/encoder.safetensors as-it-was/encoder.safetensors

Every encoder's head learns from the same drawn training faces, so many of each class (--shots), in ten draws, and is
judged on all validation faces; see mien.evaluation.probe.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mien.data.datasets.ferplus import read_archive
from mien.evaluation.probe import few_shots
from mien.training.features import features_from


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("encoders", type=Path, nargs="+")
    parser.add_argument("--faces", type=int, default=5000, help="training faces that draws are made of")
    parser.add_argument("--shots", type=int, nargs="+", default=[10, 100])
    options = parser.parse_args()
    faces = read_archive(options.archive)
    learnt, judged = faces.select("train"), faces.select("valid")
    some = np.random.default_rng(0).permutation(len(learnt))[: options.faces]
    learnt = replace(learnt, rows=tuple(learnt.rows[place] for place in some))
    for path in options.encoders:
        known, asked = (torch.from_numpy(features_from(path, rows)) for rows in (learnt, judged))
        for shots in options.shots:
            rng = np.random.default_rng(shots)
            found = few_shots(known, learnt.indices(), asked, judged.indices(), len(faces.labels), shots, rng)
            low, high = found.interval
            print(f"{path}, {shots} a class: {found.war:.1%} ({low:.1%} to {high:.1%}), mean recall {found.uar:.1%}")


if __name__ == "__main__":
    main()
