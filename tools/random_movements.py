"""Movements drawn at random, for `mien prepare people --mixtures`: each alone and with others, on one side or both.

    python tools/random_movements.py head.npz -o movements.npz
    mien prepare people --model head.npz --mixtures movements.npz --count 9000 --turn 2 --seed 78 --test 0 -o movements

Textbook faces show few movements on one side, hardly any without its companions, and some never. The votes are all
neutral: such a set is for heads that say movements (`mien train signals --people`), not for expressions.
"""

import argparse
from pathlib import Path

import numpy as np

MOST_AT_ONCE = 5
ONE_SIDED = 0.4
"""Share of two-sided movements that one side shows alone."""
WEAKEST = 0.15
LEFT_OUT = ("eyeLook", "PupilDilate", "jawLeft", "jawRight", "mouthLeft", "mouthRight", "mouthClose", "eyeBlink")
"""What the renderer moves by itself, and what no action unit here is read from."""
TOGETHER = (("mouthRollLower", "mouthRollUpper"),)
"""Movements that come together half of the time: both lips make AU28."""


def stems_of(names: list[str]) -> list[tuple[str, list[int]]]:
    """Movements without their side, and the columns of each."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if not name.startswith(LEFT_OUT):
            found.setdefault(name.removesuffix("_L").removesuffix("_R"), []).append(place)
    return list(found.items())


def drawn(names: list[str], count: int, seed: int) -> np.ndarray:
    """Coefficients (count, movements) in [0, 1]."""
    rng, stems = np.random.default_rng(seed), stems_of(names)
    rows = np.zeros((count, len(names)), np.float32)
    for row in rows:
        for stem in rng.choice(len(stems), rng.integers(1, MOST_AT_ONCE + 1), replace=False):
            name, columns = stems[stem]
            strength = rng.uniform(WEAKEST, 1)
            sides = columns if len(columns) == 1 or rng.random() > ONE_SIDED else [columns[rng.integers(2)]]
            row[sides] = np.clip(strength * rng.uniform(0.85, 1.15, len(sides)), 0, 1)
            for pair in TOGETHER:
                if name in pair and rng.random() < 0.5:
                    row[[names.index(other) for other in pair]] = strength
    return rows


def main(head: Path, out: Path, count: int, seed: int) -> None:
    """Write the file."""
    names = [str(name) for name in np.load(head)["expression_names"]]
    votes = np.zeros((count, 8), np.float32)
    votes[:, 0] = 1  # neutral is the first of FERPlus' labels
    np.savez_compressed(out, names=names, coefficients=drawn(names, count, seed), votes=votes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("head", type=Path, help="a morphable head, docs/rendered-people.md")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8000, help="rows")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.head, given.out, given.count, given.seed)
