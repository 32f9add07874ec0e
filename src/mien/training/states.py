"""States of films with several people, learnt from what mien said of their faces (EmoTx, :mod:`mien.models.emotx`).

What the network hears of a person is the mean of the expression's probabilities, and of signals, in bins of the film's
time; what it says are states of the whole film, such as "quarrel", which no one face shows. From Python alone: films of
several people with such labels are anybody's own, and no weights come with mien.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor, nn

from mien.core import checks
from mien.core.errors import DataError
from mien.core.settings import thread_count
from mien.evaluation.signal_metrics import average_precision
from mien.models.emotx import EmoTx, EmoTxConfig, Stream
from mien.models.torch_file import read_torch
from mien.training.loop import FitPlan, Report, fit
from mien.training.masked import flag_loss
from mien.training.task import Task, device_of, matrices_decay

FIT = FitPlan(epochs=30, batch=16, lr=1e-3, weight_decay=0.01, ema=0.98, precision="fp32", log_every=10)
BINS, PEOPLE = 16, 8


class Film(NamedTuple):
    """What is known of p people of a film in t bins of its time.

    Attributes:
        values: the mean of each bin; 0 where nothing is known.
        there: whether the person's face was read in it.
    """

    values: Float32[np.ndarray, "p t f"]
    there: Bool[np.ndarray, "p t"]


def film_of(
    times: Float64[np.ndarray, " n"],
    tracks: Int[np.ndarray, " n"],
    values: Float[np.ndarray, "n f"],
    people: int = PEOPLE,
    bins: int = BINS,
) -> Film:
    """From a table of frames, such as ``result.frames``, to a film.

    Args:
        times: seconds, of every face and frame.
        tracks: the person's number.
        values: what is known, such as ``probabilities``; rows with NaN are not counted.
        people: most that are kept: those who are read in most frames, the most first.
        bins: the film's time, from the first to the last frame with a face, is cut into; equally long.

    Raises:
        DataError: no face was read.
    """
    checks.whole("people", people, 1, 1000)
    checks.whole("bins", bins, 1, 10_000)
    read = np.isfinite(values).all(1)
    if not read.any():
        raise DataError("a face that was read in at least one frame", "none", "leave this film out")
    span = max(float(np.ptp(times)), 1e-9)
    at = np.minimum((times - times.min()) / span * bins, bins - 1).astype(int)[read]
    who, place, seen = np.unique(tracks[read], return_inverse=True, return_counts=True)
    rank = np.empty(len(who), int)
    rank[np.argsort(-seen, kind="stable")] = np.arange(len(who))
    kept = rank[place] < people
    where = rank[place][kept], at[kept]
    total = np.zeros((min(people, len(who)), bins, values.shape[1]))
    count = np.zeros(total.shape[:2])
    np.add.at(total, where, values[read][kept])
    np.add.at(count, where, 1)
    return Film((total / np.maximum(count, 1)[..., None]).astype(np.float32), count > 0)


def streams(films: Sequence[Film], people: int) -> Stream:
    """Films of equally many bins, the network's input; places that a film has no person for are empty.

    Raises:
        DataError: none, of other bins or other values than the first, or with more people.
    """
    wanted = {(film.values.shape[1:], film.there.shape[1]) for film in films}
    most = max((len(film.there) for film in films), default=0)
    if len(wanted) != 1 or most > people:
        got = f"{len(films)} films, shapes {sorted(film.values.shape for film in films)[:3]}"
        raise DataError(
            f"films of equal bins and values, at most {people} people",
            got,
            "make all by one film_of(..., people=N), the net by fresh(..., people=N)",
        )
    _, bins, width = films[0].values.shape
    values, there = np.zeros((len(films), people, bins, width), np.float32), np.zeros((len(films), people, bins), bool)
    for number, film in enumerate(films):
        values[number, : len(film.there)], there[number, : len(film.there)] = film
    return Stream(torch.from_numpy(values), torch.from_numpy(there), torch.arange(bins, dtype=torch.float32))


class StatesTask(Task):
    """Labelled films, and the network that learns their states.

    Args:
        net: it.
        train: films to learn from.
        wanted: their states, 1, 0, or NaN where not known; shares are taken too.
        held_out: films that every epoch is judged by, by the mean average precision.
        truth: their states.
    """

    def __init__(
        self,
        net: EmoTx,
        train: Sequence[Film],
        wanted: Float[np.ndarray, "n k"],
        held_out: Sequence[Film],
        truth: Float[np.ndarray, "m k"],
    ) -> None:
        for name, films, known in (("training", train, wanted), ("held-out", held_out, truth)):
            if known.shape != (len(films), net.config.states):
                expected = f"{net.config.states} states of each of {len(films)} {name} films"
                raise DataError(expected, f"numbers of shape {known.shape}", "give a row a film")
            if not (np.isnan(known) | ((known >= 0) & (known <= 1))).all():
                raise DataError(f"states from 0 to 1 or NaN of the {name} films", "others", "correct them")
        if np.isnan(wanted).all() or not any(_both(column) for column in truth.T):
            expected = "known states to learn, and of one at least held-out films with and without it"
            raise DataError(expected, "none", "give more films")
        self.module: nn.Module = net
        self.items, places = len(train), net.config.people
        self.wanted = torch.from_numpy(wanted).float()
        self.heard, self.others, self.truth = streams(train, places), streams(held_out, places), truth

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Binary cross-entropy of what is known."""
        device = device_of(module)
        said = module(_moved(self.heard, batch, device)).film
        return {"states": flag_loss(said.float(), self.wanted[batch].to(device))}

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Mean average precision (mAP) over the states of which held-out films have both; it decides."""
        with torch.no_grad():
            every = torch.arange(len(self.truth))
            said = module(_moved(self.others, every, device_of(module))).film.double().cpu().numpy()
        each = []
        for ours, theirs in zip(said.T, self.truth.T, strict=True):
            if _both(theirs):
                known = ~np.isnan(theirs)
                each.append(average_precision(ours[known], theirs[known] >= 0.5))
        score = float(np.mean(each))
        return {"map": score, "score": score}


def _both(truth: Float[np.ndarray, " m"]) -> bool:
    """Whether films that have a state and films that lack it are known."""
    there = truth[~np.isnan(truth)] >= 0.5
    return bool(there.any() and not there.all())


def learn_states(
    net: EmoTx,
    train: tuple[Sequence[Film], Float[np.ndarray, "n k"]],
    held_out: tuple[Sequence[Film], Float[np.ndarray, "m k"]],
    out: str | Path,
    plan: FitPlan = FIT,
    report: Report | None = None,
    resume: bool = False,
) -> float:
    """Train ``net`` in place and leave it as it was at its best epoch, in eval mode; that epoch's mAP comes back.

    Nobody should be in train and in what is held out.

    Args:
        net: fresh, of :class:`EmoTxConfig`; ``plan.seed`` is not its own: seed torch before you make it.
        train: films, and states of each: 1, 0, NaN for not known.
        held_out: likewise, to choose the epoch by.
        out: folder of the run.
        plan: optimisation.
        report: called with every line of the log.
        resume: go on from the last checkpoint in ``out``.

    Raises:
        DataError: states that do not fit the films or the network or are not to be measured, or films that do not fit
            one another.
    """
    torch.set_num_threads(thread_count())
    films, others = ((some, np.asarray(states, float)) for some, states in (train, held_out))
    task = StatesTask(net, *films, *others)
    best = read_torch(fit(task, plan, Path(out), resume, report))
    net.cpu().eval().load_state_dict(best["module"])
    return float(best["figures"]["map"])


def fresh(films: Sequence[Film], states: int, **shape: Any) -> EmoTx:
    """A network for such films, a quarter of the paper's width and half its depth: films are few.

    It has places for as many people as :func:`film_of` keeps, though the films of the training may have fewer.

    Args:
        films: of the training.
        states: how many.
        shape: other fields of :class:`EmoTxConfig`.
    """
    small = {
        "people": max(PEOPLE, *(len(film.there) for film in films)),
        "dim": 128,
        "layers": 2,
        "hidden": 512,
        **shape,
    }
    return EmoTx(EmoTxConfig(states, films[0].values.shape[2], **small))


def states_of(net: EmoTx, films: Sequence[Film]) -> Float64[np.ndarray, "n k"]:
    """Probabilities of the states of films, in [0, 1]; ``net`` in eval mode."""
    with torch.no_grad():
        said: Float64[np.ndarray, "n k"] = net(streams(films, net.config.people)).film.double().sigmoid().numpy()
    return said


def _moved(stream: Stream, some: Tensor, device: torch.device) -> Stream:
    return Stream(stream.values[some].to(device), stream.there[some].to(device), stream.numbers.to(device))
