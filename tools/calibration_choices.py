"""Would a bias for every class, or the mirrored image, make better probabilities than a temperature alone?

    python tools/calibration_choices.py WEIGHTS --data ferplus_48.npz

On the validation split of FERPlus, in ten folds: what is fitted on nine is judged on the tenth, five times over, in
other orders. Printed are accuracy, log loss and ECE of each choice, means over the orders.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from answers import predict

from mien.core.settings import thread_count
from mien.data.ferplus import read_ferplus
from mien.evaluation.calibration import Fit, fit_bias, held_out, temperature_alone
from mien.models.find import find_weights
from mien.models.weights import load_weights
from mien.training.finish import figures

ORDERS = 5


def judged(fit: Fit, logits: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Figures of probabilities that were each fitted without their own fold."""
    answers = held_out(fit, logits, labels, seed)
    chosen = answers[np.arange(len(labels)), labels]
    return figures(answers, labels) | {"log loss": float(-np.log(chosen.clip(1e-12)).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(thread_count())
    recognizer, _ = load_weights(find_weights(given.weights))
    split = read_ferplus(given.data, "valid")
    for seen, flip in (("the image", False), ("with its mirror", True)):
        logits = predict(recognizer, split, flip).double().numpy()
        for name, fit in (("temperature", temperature_alone), ("temperature and bias", fit_bias)):
            orders = [judged(fit, logits, split.labels, seed) for seed in range(ORDERS)]
            means = {key: np.mean([order[key] for order in orders]) for key in orders[0]}
            line = ", ".join(f"{key} {value:.4f}" for key, value in means.items())
            print(f"{seen}, {name}: {line}")


if __name__ == "__main__":
    main()
