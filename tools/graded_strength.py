"""Does the answer grow with how strongly an expression is shown? On rendered clips, whose strength is known to the frame.

    mien prepare people --model head.npz --count 240 --each 1 --frames 16 --seed 23 --low 0.8 --test 1 -o moving
    python tools/graded_strength.py WEIGHTS moving

Spearman's rank correlation of an expression's strength with the intensity that spans carry, 1 - P(neutral): within each
clip (its mean over the clips, and the share of clips above 0.9), and between means of frames of like strength (steps of
0.1), by expression.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from mien.data.manifest import load_manifest
from mien.data.people.exact import load_exact
from mien.data.pixels import read_clip
from mien.evaluation.runs import open_run

STEP = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("people", type=Path)
    parser.add_argument("--prior")
    given = parser.parse_args()
    model = open_run(given.weights, "cpu", "torch", given.prior).model
    manifest, exact = load_manifest(given.people), load_exact(given.people)
    neutral = model.record.labels.labels.index("neutral")
    within: dict[str, list[float]] = defaultdict(list)
    frames: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row, strength in zip(manifest.rows, exact.strength.astype(float), strict=True):
        if row.split != "test" or row.label == "neutral" or np.ptp(strength) < 0.3:
            continue
        crops = read_clip(manifest, row)
        intensity = 1 - model.probabilities(crops[:, None])[:, neutral]
        within[row.label].append(float(spearmanr(strength, intensity).statistic))
        frames[row.label] += zip(strength.tolist(), intensity.tolist(), strict=True)
    print(f"{model.record.name}, prior {model.record.prior}")
    print("| expression | clips | within a clip | clips above .9 | between steps of strength | least, most intensity |")
    print("|---|---|---|---|---|---|")
    for label, found in within.items():
        steps: dict[int, list[float]] = defaultdict(list)
        for strength, intensity in frames[label]:
            steps[int(strength / STEP + 0.5)].append(intensity)
        means = [float(np.mean(steps[step])) for step in sorted(steps)]
        between = spearmanr(range(len(means)), means).statistic
        above = np.mean(np.array(found) > 0.9)
        print(
            f"| {label} | {len(found)} | {np.mean(found):.2f} | {100 * above:.0f} % | {between:.2f} "
            f"| {means[0]:.2f}, {means[-1]:.2f} |"
        )


if __name__ == "__main__":
    main()
