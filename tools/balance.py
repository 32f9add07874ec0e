"""A reading of a model's logits for faces from elsewhere, chosen on several kinds of faces and put into its file.

    python tools/balance.py WEIGHTS FOLDER --prior-of ARCHIVE -o OUT.safetensors

FOLDER is one for `mien evaluate --world`. Its sets choose, but for those named after --measure-only. Of the class
shares of the archive's training votes the least is taken out (tau, in steps of 0.05) that comes within half a point of
the best mean of accuracy and mean recall over the kinds of faces (held-out, spoilt, rendered, pictures). Then the
temperature with the least negative log-likelihood over the kinds, each weighing the same, and the threshold above which
PRECISION of the held-out and spoilt answers are right. The reading "trained" is fitted anew to the held-out faces, as a
run of training does it. Tables of both readings are printed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.analysis.expressions import ExpressionModel
from mien.core.softmax import softmax
from mien.data.ferplus import vote_shares
from mien.evaluation.calibration import threshold_for
from mien.evaluation.metrics import confusion, uar, war
from mien.evaluation.runs import open_run
from mien.evaluation.world import Measure, World, measure_world
from mien.models.calibration import BALANCED, TRAINED, Calibration
from mien.models.record import read_record
from mien.models.weights import read_tensors, write_tensors
from mien.training.finish import calibrate

PRECISION = 0.9
AS_GOOD = 0.005
TAUS = np.arange(0, 1.51, 0.05).round(2)
TEMPERATURES = np.geomspace(0.3, 5, 200)


def kind_of(measure: Measure) -> str:
    """Sets of one kind weigh together as much as those of another."""
    first, _, spoilt = measure.name.partition(", ")
    return "spoilt" if spoilt else first.partition(" (")[0]


def by_kind(scores: dict[str, list[float]]) -> float:
    return float(np.mean([np.mean(some) for some in scores.values()]))


def worth(measures: list[Measure], logits: list[np.ndarray], shift: np.ndarray) -> float:
    """Mean over kinds, of accuracy and of the mean recall over the classes that a set has."""
    scores: dict[str, list[float]] = {}
    for measure, rows in zip(measures, logits, strict=True):
        matrix = confusion(measure.targets, (rows + shift).argmax(1), rows.shape[1])
        scores.setdefault(kind_of(measure), []).append((war(matrix) + uar(matrix)) / 2)
    return by_kind(scores)


def loss(measures: list[Measure], logits: list[np.ndarray], shift: np.ndarray, temperature: float) -> float:
    scores: dict[str, list[float]] = {}
    for measure, rows in zip(measures, logits, strict=True):
        chosen = softmax(rows + shift, temperature)[np.arange(len(rows)), measure.targets]
        scores.setdefault(kind_of(measure), []).append(float(-np.log(chosen.clip(1e-12)).mean()))
    return by_kind(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prior-of", type=Path, required=True)
    parser.add_argument("--measure-only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--licence")
    parser.add_argument("--trained-on")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    run = open_run(given.weights, "cpu", given.backend, TRAINED)
    trained = run.model.record.calibration
    with np.load(given.prior_of) as archive:
        shares = vote_shares(archive["train_votes"])
    prior = shares[shares.any(1)].mean(0, dtype=np.float64)
    everything = measure_world(run, ExpressionModel(run.model), given.folder)
    choosing = [one for one in everything.measures if not any(name in one.name for name in given.measure_only)]
    measures = [replace(one, targets=one.targets[one.seen], groups={}) for one in choosing]
    logits = [logits_of(one.probabilities[one.seen], trained) for one in choosing]
    found = {tau: worth(measures, logits, -tau * np.log(prior)) for tau in TAUS.tolist()}
    # The optimum is flat, and what is taken out of one kind of faces is another's: the least that is about as good.
    tau = min(one for one, value in found.items() if value >= max(found.values()) - AS_GOOD)
    print("by tau:", ", ".join(f"{one} {100 * value:.2f}" for one, value in found.items()))
    losses = [loss(measures, logits, -tau * np.log(prior), temperature) for temperature in TEMPERATURES]
    temperature = float(TEMPERATURES[int(np.argmin(losses))])
    reading = Calibration(temperature, 0.0, prior=tuple(prior.tolist()), tau=tau)
    near = [place for place, one in enumerate(measures) if one.name.startswith("FERPlus")]
    rows = np.concatenate([reading.probabilities(logits[place]) for place in near])
    threshold = threshold_for(PRECISION, rows, np.concatenate([measures[place].targets for place in near]))
    reading = replace(reading, threshold=threshold)
    held_out = calibrate(logits[near[0]], measures[near[0]].targets)
    print(f"tau {tau}, temperature {temperature:.3f}, threshold {threshold:.3f}; {TRAINED}: {held_out}")
    own = {name: getattr(held_out.reading, name) for name in ("temperature", "threshold", "bias")}
    texts = {"licence": given.licence, "trained_on": given.trained_on}
    own |= {name: text for name, text in texts.items() if text}
    record = replace(run.model.record, **own, calibrations={BALANCED: reading}, prior=BALANCED, scores={})
    write_tensors(read_tensors(Path(run.model.record.source)), {"mien": record.to_json()}, given.out)
    for name, other in record.readings.items():
        read = (reread(one, trained, other) for one in everything.measures)
        print("", World(record.name, read_record(given.out).sha256, name, tuple(read), {}).to_markdown(), sep="\n")


def logits_of(probabilities: np.ndarray, reading: Calibration) -> np.ndarray:
    """Up to a constant a row."""
    return (np.log(probabilities.clip(1e-12)) - reading.shift) * reading.temperature


def reread(measure: Measure, before: Calibration, after: Calibration) -> Measure:
    """The same answers by another reading; NaN stays."""
    rows = after.probabilities(logits_of(measure.probabilities, before))
    return replace(measure, probabilities=rows, threshold=after.threshold)


if __name__ == "__main__":
    main()
