"""What analysis asks of a loaded model, whoever computes its answers, and what may be put around one. No torch here.

:class:`mien.models.zoo.LoadedModel` and the engines' networks are models in this sense, and so is whatever answers
these calls. A wrapper is one as well: it holds a model, passes on what that says, and adds to it.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError, NoLandmarksError
from mien.core.registry import Place, Registry, did_you_mean
from mien.core.signals import EXPRESSION, Signal, distinct, places
from mien.models.record import ModelRecord

Clips = UInt8[np.ndarray, "b t 3 h w"]
SLACK = 1e-6
"""By which a derived number may leave its range: rounding."""


@runtime_checkable
class Network(Protocol):
    """The least that analysis needs."""

    @property
    def record(self) -> ModelRecord:
        """Labels, preprocessing, clip length, threshold, signals."""

    def logits(self, clips: Clips) -> Float64[np.ndarray, "b c"]:
        """Before calibration, one row a clip."""

    def probabilities(self, clips: Clips) -> Float64[np.ndarray, "b c"]:
        """Calibrated: the logits, read as the record says, one row a clip."""


@runtime_checkable
class SignalNetwork(Network, Protocol):
    """A network that may say more than the expression.

    Its numbers come in two steps, for between them lies the mean over frames: an image model's outputs for a clip are
    the mean of those for its frames, which its values are not.
    """

    def outputs(self, clips: Clips) -> Float64[np.ndarray, "b m"]:
        """Logits, then what the network says of its own signals, before softmax and sigmoid; one row a clip."""

    def values(self, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
        """Calibrated probabilities, then the columns of all signals of the record, each in its range."""


@runtime_checkable
class LandmarkNetwork(Protocol):
    """A network that may also find landmarks."""

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"], /) -> Float[np.ndarray, "n 68 2"]:
        """As shares of the crop's side; raises NoLandmarksError where the weights hold no landmark net."""


def said(network: Network, clips: Clips) -> Float64[np.ndarray, "b n"]:
    """Probabilities and signals of clips, one row a clip."""
    if isinstance(network, SignalNetwork):
        return network.values(network.outputs(clips))
    return network.probabilities(clips)


def outputs_of(network: Network, clips: Clips) -> Float64[np.ndarray, "b m"]:
    """What the mean over frames is taken of."""
    return network.outputs(clips) if isinstance(network, SignalNetwork) else network.logits(clips)


def values_of(network: Network, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
    """Probabilities and signals of what :func:`outputs_of` gave, or of the mean of some of it."""
    if isinstance(network, SignalNetwork):
        return network.values(outputs)
    return network.record.calibration.probabilities(outputs)


def own_values(record: ModelRecord, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
    """:meth:`SignalNetwork.values` of a network all of whose signals are its own."""
    if not record.signals:
        return record.calibration.probabilities(outputs)
    classes = len(record.labels)
    probabilities, rest = record.calibration.probabilities(outputs[:, :classes]), outputs[:, classes:]
    where = places(record.signals)
    return np.hstack([probabilities, *(signal.values(rest[:, where[signal.name]]) for signal in record.signals)])


class Around:
    """A network in the place of another, whose answers it passes on.

    Args:
        network: any.
        record: what is said of it.
    """

    def __init__(self, network: Network, record: ModelRecord) -> None:
        self.record, self._network = record, network

    @property
    def engine(self) -> str:
        """What computes the answers, for the provenance."""
        return getattr(self._network, "engine", "custom")

    @property
    def precision(self) -> Any:
        """Of the arithmetic."""
        return getattr(self._network, "precision", None)

    def logits(self, clips: Clips) -> Float64[np.ndarray, "b c"]:
        """The network's."""
        return self._network.logits(clips)

    def probabilities(self, clips: Clips) -> Float64[np.ndarray, "b c"]:
        """The network's."""
        return self._network.probabilities(clips)

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"], /) -> Float[np.ndarray, "n 68 2"]:
        """The network's landmarks."""
        if not isinstance(self._network, LandmarkNetwork):
            raise NoLandmarksError("a model with a landmark net", self.record.name, "use the default model")
        return self._network.points(crops)


def as_it_speaks(network: Network) -> Network:
    """``network``, but for one that says the expression alone though its record, such as that of what it wraps, names
    more: it is taken at its word."""
    if not network.record.signals or isinstance(network, SignalNetwork):
        return network
    return Around(network, network.record.saying(()))


class Derived(Around, ABC):
    """A network, and a signal computed from what it says: never measured, and called derived wherever it is shown.

    A subclass names its :attr:`signal` and fills :meth:`derive`. All else is the network's.

    Args:
        network: any.

    Raises:
        ConfigError: the signal does not follow from what the network says.

    Attributes:
        signal: what is added; its ``derived_from`` says from what.
        record: the network's, with the signal.
    """

    signal: ClassVar[Signal]

    def __init__(self, network: Network) -> None:
        super().__init__(network, self.extended(network.record))

    @classmethod
    def extended(cls, record: ModelRecord) -> ModelRecord:
        """``record`` with the signal. Raises ConfigError where the signal does not follow from what the model says."""
        return dataclasses.replace(record, signals=distinct((*record.signals, cls.signal)))

    @abstractmethod
    def derive(self, values: Float64[np.ndarray, "b n"]) -> Float64[np.ndarray, "b k"]:
        """The signal's columns, from the network's probabilities and the columns of its signals."""

    def outputs(self, clips: Clips) -> Float64[np.ndarray, "b m"]:
        """The network's."""
        return outputs_of(self._network, clips)

    def values(self, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
        """The network's, then the signal."""
        known = values_of(self._network, outputs)
        derived = self.derive(known)
        wanted = len(known), len(self.signal.labels)
        if derived.shape != wanted:
            expected = f"{wanted} numbers of {self.signal.name}, a row a window and a column a label"
            raise ConfigError(expected, f"{derived.shape}", f"correct derive of {type(self).__name__}")
        low, high = self.signal.low, self.signal.high
        if ((derived < low - SLACK) | (derived > high + SLACK)).any():
            got = f"{np.nanmin(derived):.4g} to {np.nanmax(derived):.4g}"
            expected = f"{self.signal.name} from {low:g} to {high:g}"
            raise ConfigError(expected, got, f"correct derive, or the range, of {type(self).__name__}")
        return np.hstack([known, derived])


SIGNALS: Registry[type[Derived]] = Registry(
    "signal",
    {
        "affect": Place("mien.models.affect:Affect"),
    },
)
"""What ``--signals`` may ask for beside what a model says itself; a signal of yours is a file and a line here."""


def asked_of(record: ModelRecord, names: Collection[str]) -> ModelRecord:
    """What is asked of the weights themselves: all that they say, or, where ``expression`` is among the names, of that
    only what is named. Raises ConfigError for a name that nothing says."""
    for name in wanted(record, names):
        if name not in SIGNALS:
            known = [EXPRESSION, *(signal.name for signal in record.signals), *SIGNALS]
            raise ConfigError("a known signal", repr(name), did_you_mean(name, known))
    return record.saying(names) if EXPRESSION in names else record


def with_signals(network: Network, names: tuple[str, ...]) -> Network:
    """``network`` with signals of :data:`SIGNALS` around it; what it says itself is not derived a second time.

    Raises:
        ConfigError: no such signal, or one that does not follow from what the network says.
    """
    for name in wanted(network.record, names):
        network = SIGNALS[name](network)
    return network


def extended(record: ModelRecord, names: tuple[str, ...]) -> ModelRecord:
    """The record of :func:`asked_of`, then :func:`with_signals`, without a network. Raises as they do."""
    record = asked_of(record, names)
    for name in wanted(record, names):
        record = SIGNALS[name].extended(record)
    return record


def wanted(record: ModelRecord, names: Collection[str]) -> list[str]:
    """Those of ``names``, each once, that the model does not say itself."""
    own = {EXPRESSION, *(signal.name for signal in record.signals)}
    return [name for name in dict.fromkeys(names) if name not in own]
