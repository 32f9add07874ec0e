"""Do learnt anchors make better probabilities than a temperature alone? Asked of faces that ten people named.

    python tools/anchor_votes.py s2d-small --data ferplus_48.npz

A linear head, plain or with anchors, learns single votes drawn by chance on frozen features. Temperatures are chosen on
one half of the validation faces, by single votes too. On the other half: log loss against the shares of the ten votes,
and the area under risk over coverage, risk being the share of voters who say otherwise. The mean over draws of votes;
intervals by resampling faces.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import nn

from mien.core.labels import LABEL_SPACES
from mien.core.settings import thread_count
from mien.data.ferplus import majority, vote_shares
from mien.models.find import find_weights
from mien.models.net import Answer
from mien.models.weights import load_weights
from mien.training.anchored import AnchoredLabels
from mien.training.terms import Setting, Step

LABELS = LABEL_SPACES["ferplus"]
EPOCHS, BATCH, RATE, DECAY = 20, 100, 2e-3, 1e-2
WAYS = ("plain", "plain, temperature", "anchors", "anchors, temperature")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=int, default=3000)
    parser.add_argument("--valid", type=int, default=1500)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(thread_count())
    train, shares = asked(given.weights, given.data, "train", given.train)
    valid, truth = asked(given.weights, given.data, "valid", given.valid)
    middle, spread = train.mean(0), train.std(0).clamp(min=1e-3)
    train, valid = (train - middle) / spread, (valid - middle) / spread
    half = len(valid) // 2
    losses, risks = [], []
    for seed in range(given.draws):
        torch.manual_seed(seed)
        votes, few = torch.multinomial(shares, 1)[:, 0], torch.multinomial(truth[:half], 1)[:, 0]
        said = []
        for anchored in (False, True):
            raw = learnt(train, votes, valid, anchored)
            warm = temperature(raw[:half], few)
            said += [raw[half:].softmax(1), (raw[half:] / warm).softmax(1)]
        losses.append([-(truth[half:] * p.clamp(min=1e-12).log()).sum(1).numpy() for p in said])
        risks.append(
            [(p.amax(1).numpy(), 1 - truth[half:].gather(1, p.argmax(1)[:, None])[:, 0].numpy()) for p in said]
        )
    rng = np.random.default_rng(0)
    picks = [
        np.arange(len(truth) - half),
        *(rng.integers(len(truth) - half, size=len(truth) - half) for _ in range(1000)),
    ]
    table = np.array(losses)
    loss = np.array([table[:, :, pick].mean((0, 2)) for pick in picks])
    area = np.array([np.mean([[aurc(*way, pick) for way in draw] for draw in risks], 0) for pick in picks[:201]])
    print("| | log loss against ten votes | less plain with temperature | area of risk over coverage | less plain |")
    print("|---|---|---|---|---|")
    for place, way in enumerate(WAYS):
        apart = [interval(part[:, place] - part[:, other]) for part, other in ((loss, 1), (area, 0))]
        print(f"| {way} | {loss[0, place]:.4f} | {apart[0]} | {area[0, place]:.4f} | {apart[1]} |")


def asked(weights: str, data: Path, split: str, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of faces with a majority, and the shares of their votes."""
    with np.load(data) as arrays:
        votes, images = arrays[f"{split}_votes"], arrays[f"{split}_images"]
    some = np.random.default_rng(0).permutation(np.flatnonzero(majority(votes)))[:most]
    recognizer, _ = load_weights(find_weights(weights))
    found = []
    with torch.inference_mode():
        for part in np.array_split(some, max(len(some) // 50, 1)):
            clips = torch.from_numpy(images[part]).float()[:, None, None] / 255
            found.append(recognizer.answer(recognizer.frames_of(clips), ()).feature)
    return torch.cat(found).clone(), torch.from_numpy(vote_shares(votes[some]))


def learnt(train: torch.Tensor, votes: torch.Tensor, valid: torch.Tensor, anchored: bool) -> torch.Tensor:
    """Logits of the validation faces, by a head that learned one vote a face."""
    torch.manual_seed(0)
    head = nn.Linear(train.shape[1], len(LABELS))
    term = AnchoredLabels(Setting(LABELS, train.shape[1], torch.bincount(votes, minlength=len(LABELS))))
    parts = [*head.parameters(), *(term.parameters() if anchored else ())]
    adam = torch.optim.AdamW(parts, RATE, weight_decay=DECAY)
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(train)).split(BATCH):
            answer = Answer(head(train[rows]), train[rows])
            targets = F.one_hot(votes[rows], len(LABELS)).float()
            step = Step(train[rows], targets, votes[rows], epoch, lambda a=answer: Answer(a.logits.detach(), a.feature))
            loss = term(answer, step) if anchored else F.cross_entropy(answer.logits, votes[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        return term.balance(valid, head(valid)) if anchored else head(valid)


def temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """By which logits are divided for the least log loss."""

    def loss(by: float) -> float:
        return F.cross_entropy(logits / by, labels).item()

    return float(minimize_scalar(loss, bounds=(0.2, 5), method="bounded").x)


def aurc(sure: np.ndarray, risk: np.ndarray, pick: np.ndarray) -> float:
    """Mean, over how many are answered, of the mean risk of the surest."""
    order = pick[np.argsort(-sure[pick], kind="stable")]
    return float((np.cumsum(risk[order]) / np.arange(1, len(order) + 1)).mean())


def interval(values: np.ndarray) -> str:
    """A difference, and its 95 % interval from the draws after it."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
