"""Making probabilities mean what they say, and knowing when to abstain. Fitted on a validation split, never on test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, Int

from mien.core.softmax import softmax

Fit = Callable[[Float[np.ndarray, "n c"], Int[np.ndarray, " n"]], tuple[float, Float64[np.ndarray, " c"]]]
"""Finds a temperature and a bias for every class."""

FOLDS = 10
PULL = 1e-3
"""Weight of the squared biases beside the mean negative log-likelihood."""


def fit_temperature(logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al., arXiv 1706.04599), in [0.05, 20]."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(chosen.clip(1e-12)).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(best.x))


def fit_bias(
    logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]
) -> tuple[float, Float64[np.ndarray, " c"]]:
    """A temperature and a bias of every class, added after the division, with the least negative log-likelihood.

    A pull towards 0 (:data:`PULL`) keeps classes that are hardly seen where they are.
    """
    from scipy.optimize import minimize

    true = np.eye(logits.shape[1])[labels]

    def loss(values: Float64[np.ndarray, " k"]) -> tuple[float, Float64[np.ndarray, " k"]]:
        scale, shift = np.exp(values[0]), values[1:]
        answers = softmax(logits * scale + shift)
        wrong = (answers - true) / len(labels)
        slope = np.concatenate([[(wrong * logits).sum() * scale], wrong.sum(0) + 2 * PULL * shift])
        return float(-np.log(answers[true > 0].clip(1e-12)).mean() + PULL * (shift**2).sum()), slope

    bounds = [(np.log(0.05), np.log(20.0)), *[(-5.0, 5.0)] * logits.shape[1]]
    best = minimize(loss, np.zeros(1 + logits.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(-best[0])), best[1:]


def temperature_alone(
    logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]
) -> tuple[float, Float64[np.ndarray, " c"]]:
    """As :func:`fit_bias` answers, without a bias."""
    return fit_temperature(logits, labels), np.zeros(logits.shape[1])


def held_out(
    fit: Fit, logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], seed: int = 0
) -> Float64[np.ndarray, "n c"]:
    """Probabilities of every item by what ``fit`` finds on the other nine of ten folds."""
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(labels)) % FOLDS
    answers = np.empty(logits.shape)
    for number in range(FOLDS):
        own = fold == number
        temperature, bias = fit(logits[~own], labels[~own])
        answers[own] = softmax(logits[own] / temperature + bias)
    return answers


def bias_helps(logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], seed: int = 0) -> bool:
    """Whether a bias lowers the log loss of items it was not fitted on, by more than two standard errors.

    Fewer than 100 items are never enough to say so.
    """
    if len(labels) < 100:
        return False
    items = np.arange(len(labels))
    plain, shifted = (held_out(fit, logits, labels, seed)[items, labels] for fit in (temperature_alone, fit_bias))
    gains = np.log(shifted.clip(1e-12)) - np.log(plain.clip(1e-12))
    return bool(gains.mean() > 2 * gains.std() / np.sqrt(len(labels)))


def threshold_for(precision: float, probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> float:
    """The lowest confidence above which at least ``precision`` of the answers are right; 1.0 when there is none."""
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(1) == labels)[order]
    kept = np.cumsum(right) / np.arange(1, len(right) + 1) >= precision
    return float(confidence[order][np.flatnonzero(kept)[-1]]) if kept.any() else 1.0


def coverage(
    threshold: float, probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]
) -> tuple[float, float]:
    """Share of items answered at a threshold, and the share of those answered rightly (NaN when none is)."""
    kept = probabilities.max(1) >= threshold
    right = (probabilities.argmax(1) == labels)[kept]
    return float(kept.mean()), float(right.mean()) if kept.any() else float("nan")


def risk_coverage(
    probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """What abstaining buys (El-Yaniv and Wiener, JMLR 2010): for every threshold that tells items apart, the share
    answered, rising to 1, and the share of wrong answers among those.
    """
    confidence = probabilities.max(1)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum((probabilities.argmax(1) != labels)[order])
    # Items of one confidence are answered together or not at all.
    last = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
    return (last + 1) / len(labels), wrong[last] / (last + 1)
