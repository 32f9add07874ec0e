"""EmoTx: the authors' figures, what is not there is not heard, and a state that no one person shows.

Figures: katha-ai/EmoTx-CVPR2023 at 561c894, two films of three people, all weights filled from their names.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fills
import numpy as np
import pytest
import torch
from fills import official, uniform
from torch import Tensor

from mien.core.errors import ConfigError, DataError
from mien.models.emotx import EmoTx, EmoTxConfig, Stream
from mien.training.loop import FitPlan
from mien.training.states import Film, film_of, fresh, learn_states, states_of
from shape_checks import unchecked

FIGURES = official("emotx")
ALONE = {
    "person": "char_dim_reduction",
    "scene": "scene_dim_reduction",
    "subtitle": "srt_dim_reduction",
    "norm": "layer_norm",
}
TABLES = {
    "types": "type_emb.weight",
    "places": "char_emb.weight",
    "scene_labels": "cls_emb_scene.weight",
    "person_labels": "cls_emb_char.weight",
}


def weight(name: str) -> Tensor:
    return torch.from_numpy(fills.weight("emotx." + name, tuple(FIGURES["state_dict"][name])))


def theirs() -> EmoTx:
    net = EmoTx(EmoTxConfig(5, 10, 12, 8, people=3, dim=64, layers=2))
    state = {f"{ours}.{kind}": weight(f"{name}.{kind}") for ours, name in ALONE.items() for kind in ("weight", "bias")}
    state |= {ours: weight(name) for ours, name in TABLES.items()}
    state |= {name: weight(name) for name in FIGURES["state_dict"] if name.startswith("encoder.")}
    state["read"] = torch.cat([weight(f"logits.{n}.weight") for n in range(5)])
    state["bias"] = torch.cat([weight(f"logits.{n}.bias") for n in range(5)])
    net.load_state_dict(state)
    return net.eval()


def stream(name: str, shape: tuple[int, ...], hidden: tuple = (), every: int = 1) -> Stream:
    values = torch.from_numpy((2 * uniform("emotx." + name, shape) - 1).astype(np.float32))
    there = torch.ones(shape[:-1], dtype=torch.bool)
    there[hidden] = len(hidden) == 0
    values[~there] = float("nan")  # what is hidden is not looked at
    return Stream(values, there, every * torch.arange(float(shape[-2])))


@torch.no_grad()
def test_states_have_the_authors_numbers() -> None:
    people = stream("char", (2, 3, 6, 10), (slice(None), 2), 4)
    said = theirs()(people, stream("scene", (2, 6, 12), (), 4), stream("srt", (2, 6, 8), (slice(None), slice(4, 6))))
    for film, wanted in enumerate(FIGURES["answers"]):
        np.testing.assert_allclose(said.film[film], wanted["scene"][0], atol=1e-4)
        np.testing.assert_allclose(said.people[film, :2], wanted["characters_1_2"], atol=1e-4)


def test_streams_that_do_not_fit_are_refused() -> None:
    people = stream("char", (2, 3, 6, 10))
    with pytest.raises(ConfigError, match="a scene stream"):
        theirs()(people)
    with pytest.raises(ConfigError, match="no scene stream"):
        EmoTx(EmoTxConfig(5, 10, dim=16))(people, stream("scene", (2, 6, 12)))
    with pytest.raises(ConfigError, match="at most 2 people"):
        EmoTx(EmoTxConfig(5, 10, people=2, dim=16))(people)
    with pytest.raises(ConfigError, match="multiple of 16"):
        EmoTxConfig(5, 10, dim=24)


def test_a_film_keeps_those_who_are_seen_longest_and_means_over_bins() -> None:
    times, tracks = np.array([0, 0, 0.1, 0.6, 0.9, 1.0, 0.9]), np.array([7, 3, 3, 3, 3, 7, 9])
    values = np.array([[0.2], [1], [2], [5], [6], [0.8], [np.nan]])
    film = film_of(times, tracks, values, people=2, bins=2)
    np.testing.assert_allclose(film.values[..., 0], [[1.5, 5.5], [0.2, 0.8]])
    assert film.there.all()
    assert film_of(times, tracks, values, people=1, bins=2).values.shape == (1, 2, 1)
    assert not film_of(times, tracks, values, bins=5).there[0, 2], "what nobody read is not there"
    with pytest.raises(DataError, match="was read"):
        film_of(times, tracks, values * np.nan)


def drawn(count: int, seed: int) -> tuple[list[Film], np.ndarray]:
    """Two people, each of whom smiles in half of the films; a third comes and goes, and means nothing. States: the two
    differ, and the first one smiles."""
    rng = np.random.default_rng(seed)
    smiles = rng.integers(0, 2, (count, 3))
    values = smiles[:, :, None, None] + rng.normal(0, 0.3, (count, 3, 3, 2))
    there = np.ones((count, 3, 3), bool)
    there[:, 2] = rng.random((count, 3)) < 0.3
    films = [Film(one.astype(np.float32), known) for one, known in zip(values, there, strict=True)]
    return films, np.stack([smiles[:, 0] != smiles[:, 1], smiles[:, 0]], 1).astype(float)


def test_a_state_that_only_two_people_together_show_is_found(tmp_path: Path) -> None:
    """The mean of what each says alone cannot: it adds a part of one to a part of the other, and the state is XOR."""
    train, held_out, test = drawn(320, 0), drawn(80, 1), drawn(200, 2)
    train[1][::5, 1] = np.nan
    plan = FitPlan(epochs=16, batch=32, lr=3e-3, ema=0.9, precision="fp32")

    def alone(films: list[Film], who: int) -> list[Film]:
        return [Film(film.values[[who]], film.there[[who]]) for film in films]

    with unchecked():  # shapes were, in the other tests
        torch.manual_seed(0)
        together = fresh(train[0], 2, people=3, dim=32, hidden=64)
        score = learn_states(together, train, held_out, tmp_path / "together", plan)
        torch.manual_seed(0)
        single = fresh(alone(train[0], 0), 2, people=3, dim=32, hidden=64)
        each = [alone(train[0], 0) + alone(train[0], 1), alone(held_out[0], 0) + alone(held_out[0], 1)]
        twice = [np.concatenate([known, known]) for known in (train[1], held_out[1])]
        learn_states(single, (each[0], twice[0]), (each[1], twice[1]), tmp_path / "single", replace(plan, epochs=4))
        found = states_of(together, test[0])
        averaged = (states_of(single, alone(test[0], 0)) + states_of(single, alone(test[0], 1))) / 2
    right = [((said > 0.5) == test[1]).mean(0) for said in (found, averaged)]
    assert score > 0.9
    assert (right[0] >= 0.9).all()
    assert right[1][0] <= 0.8
    assert fresh(train[0], 2).config.people == 8, "films to come may have more"
    with pytest.raises(DataError, match="from 0 to 1"):
        learn_states(together, (train[0], train[1] - 1), held_out, tmp_path / "wrong", plan)
    with pytest.raises(DataError, match="with and without"):
        learn_states(together, train, (held_out[0], np.ones_like(held_out[1])), tmp_path / "wrong", plan)
    with pytest.raises(DataError, match="2 states of each"):
        learn_states(together, (train[0], train[1][:, :1]), held_out, tmp_path / "wrong", plan)
