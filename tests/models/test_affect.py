"""Valence and arousal of the expression: a wrapper around any network, and what is asked of one in general."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.core.softmax import softmax
from mien.models.affect import PLACES, Affect, places_of
from mien.models.network import LandmarkNetwork, Network, SignalNetwork, extended, said, with_signals
from mien.models.record import ModelRecord, Preprocessing
from mien.models.zoo import load_model

CLIPS = np.random.default_rng(0).integers(0, 255, (3, 2, 3, 24, 24)).astype(np.uint8)


class Means:
    """Logits by the mean of every channel; an image model unless ``frames``."""

    engine = "fingers"

    def __init__(self, labels: LabelSpace = LABEL_SPACES["ferplus"], frames: int | None = None) -> None:
        self.record = ModelRecord("means", labels, Preprocessing(24, 24), {"frames": frames}, frames=2, temperature=0.7)

    def logits(self, clips: np.ndarray) -> np.ndarray:
        means = clips.mean((1, 3, 4)) / 64
        return np.tile(means, (1, 4))[:, : len(self.record.labels)].astype(np.float64)

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        return softmax(self.logits(clips), self.record.temperature)


def test_it_is_the_mean_of_the_places() -> None:
    network, labels = Means(), LABEL_SPACES["ferplus"].labels
    probabilities = network.probabilities(CLIPS)
    expected = np.array(
        [sum(p * np.array(PLACES[name]) for p, name in zip(row, labels, strict=True)) for row in probabilities]
    )
    answer = said(Affect(network), CLIPS)
    np.testing.assert_allclose(answer[:, 8:], expected, atol=1e-12)
    np.testing.assert_array_equal(answer[:, :8], probabilities)
    assert np.abs(answer[:, 8:]).max() <= 1


class Wrong(Affect):
    """As given."""

    def __init__(self, derived: np.ndarray) -> None:
        super().__init__(Means())
        self.derived = derived

    def derive(self, values: np.ndarray) -> np.ndarray:
        return self.derived


@pytest.mark.parametrize("derived", [np.zeros(3), np.zeros((3, 1)), np.full((3, 2), 1.1), np.full((3, 2), -1.1)])
def test_what_is_derived_must_have_its_columns_and_keep_its_range(derived: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="derive"):
        said(Wrong(derived), CLIPS)


def test_a_derived_number_may_be_missing_and_may_be_rounded() -> None:
    derived = np.array([[np.nan, 1 + 1e-9]] * 3)
    np.testing.assert_array_equal(said(Wrong(derived), CLIPS)[:, 8:], derived)


def test_places_lie_where_the_circumplex_has_them() -> None:
    """Quadrants of Russell (1980), and sure answers at the places themselves."""
    assert all(abs(number) <= 1 for place in PLACES.values() for number in place)
    signs = {name: tuple(np.sign(place)) for name, place in PLACES.items()}
    assert signs["happiness"] == signs["surprise"] == (1, 1)
    assert {signs[name] for name in ("anger", "fear", "disgust")} == {(-1, 1)}
    assert signs["sadness"] == (-1, -1)
    assert signs["neutral"] == (0, 0)
    np.testing.assert_array_equal(Affect(Means()).derive(np.eye(8)), places_of(LABEL_SPACES["ferplus"]))


@pytest.mark.parametrize("space", ["ferplus", "rafdb", "affectnet8", "dfew", "ferv39k", "crema-d", "ravdess", "ck+"])
def test_it_follows_the_order_and_the_names_of_the_labels(space: str) -> None:
    labels = LABEL_SPACES[space]
    places = places_of(labels)
    assert places.shape == (len(labels), 2)
    assert tuple(places[labels.index("sadness")]) == PLACES["sadness"]


def test_a_label_without_a_place_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="anxiety, disappointment, helplessness"):
        Affect(Means(LABEL_SPACES["mafw"]))
    with pytest.raises(ConfigError, match="yawn"):
        extended(Means(LabelSpace("mine", ("yawn", "neutral"))).record, ("affect",))


def test_all_else_is_the_networks() -> None:
    network = Means()
    wrapped = with_signals(network, ("affect", "affect"))
    assert [signal.name for signal in wrapped.record.signals] == ["affect"]
    assert wrapped.record.signals[0].derived_from == "expression"
    assert network.record.signals == ()
    assert wrapped.record == extended(network.record, ("affect",))
    np.testing.assert_array_equal(wrapped.logits(CLIPS), network.logits(CLIPS))
    np.testing.assert_array_equal(wrapped.probabilities(CLIPS), network.probabilities(CLIPS))
    assert wrapped.engine == "fingers"  # type: ignore[attr-defined]
    for protocol in (Network, SignalNetwork, LandmarkNetwork):
        assert isinstance(wrapped, protocol)
    with pytest.raises(WeightsError, match="landmark net"):
        wrapped.points(CLIPS[0])
    assert with_signals(network, ()) is network


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="affect"):
        with_signals(Means(), ("afect",))


def test_a_model_that_says_it_itself_is_left_alone() -> None:
    wrapped = with_signals(Means(), ("affect",))
    assert with_signals(wrapped, ("affect",)) is wrapped


def test_it_goes_to_another_process_with_the_weights() -> None:
    model = with_signals(load_model("s2d-tiny"), ("affect",))
    clips = np.random.default_rng(1).integers(0, 255, (1, 1, 3, 112, 112)).astype(np.uint8)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(said(again, clips), said(model, clips))
    assert again.points(clips[0]).shape == (1, 68, 2)
