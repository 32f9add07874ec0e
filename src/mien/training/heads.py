"""Heads that learn with the trunk: what a recipe names, the term of the loss of each, and what a run keeps of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError, DataError
from mien.core.registry import did_you_mean
from mien.core.signals import Signal, distinct, places
from mien.data.manifest import Manifest
from mien.models.heads import Head, build_heads, with_edges
from mien.models.net import Answer, Net
from mien.models.nets import HEADS
from mien.models.text_head import Text
from mien.models.texts import Texts, Vocabulary, from_units, read_vocabulary
from mien.training.masked import HeadLosses, SignalLoss, edge_loss, loss_for
from mien.training.terms import Step, Term

NOT_SHOWN = {"age", "ages", "gender", "sex", "male", "female", "man", "woman", "men", "women"}
"""Words in a name or a label of what a head may learn, so that the trunk does, and no weights say. See
docs/intended-use.md."""
SIDED = {"left", "right", "yaw", "roll", "across"}
"""Words in a label of what is another thing in a mirror."""
PREFIX = "head_"
"""Before a signal's name in that of its term: signals may be called as terms are."""


@dataclass(frozen=True)
class HeadSpec:
    """A head that a recipe names.

    Attributes:
        signal: what it says.
        kind: in :data:`mien.models.nets.HEADS`.
        weight: of its loss.
        words: the labels' vectors, of a head that reads texts.
    """

    signal: Signal
    kind: str
    weight: float
    words: Vocabulary | None = None

    @property
    def shown(self) -> bool:
        """Whether the weights keep it."""
        return not self.signal.words & NOT_SHOWN


def parse_heads(words: Sequence[str], signals: tuple[Signal, ...], texts: Path | None = None) -> list[HeadSpec]:
    """``("affect=plane", "states=linear:0.5")`` for signals that the data have.

    Args:
        words: what the recipe says.
        signals: of the data.
        texts: file of vectors for labels (:func:`mien.models.texts.read_vocabulary`); None: their action units.

    Raises:
        ConfigError: a signal that the data do not have, one named twice, no such kind of head or one that cannot say
            it, a weight that is no number above 0, a label without a vector, vectors that no head reads.
    """
    by_name = {signal.name: signal for signal in signals}
    found: dict[str, HeadSpec] = {}
    for word in words:
        name, _, rest = word.partition("=")
        kind, _, weight = rest.partition(":")
        try:
            value = float(weight or 1)
        except ValueError:
            value = -1.0
        if not kind or name in found or not 0 < value < float("inf"):
            raise ConfigError(
                "heads such as affect=plane or affect=plane:0.5, each once", word, "change --recipe.heads"
            )
        if name not in by_name:
            fix = did_you_mean(name, list(by_name)) if by_name else "see docs/train-your-own.md, More than the class"
            raise ConfigError("--recipe.heads of signals that the data have", word, fix)
        signal, entry = by_name[name], HEADS[kind]
        if signal.kind not in entry.says or not _learnt(kind):
            fits = [one for one in HEADS if signal.kind in HEADS[one].says and _learnt(one)]
            raise ConfigError(f"a head for {signal.kind}: {', '.join(fits)}", word, "change --recipe.heads")
        worded = entry.head.found().reads_texts
        found[name] = HeadSpec(signal, kind, value, vocabulary(signal.labels, texts) if worded else None)
    if texts is not None and not any(spec.words for spec in found.values()):
        raise ConfigError("--recipe.texts for a head such as words=text", ", ".join(words) or "none", "leave it out")
    return list(found.values())


def _learnt(kind: str) -> bool:
    """Whether a head of this kind learns with a network; those for the landmark net's tail, and fitted ones, do not."""
    head = HEADS[kind].head.found()
    return not head.reads_tail and not head.fitted


def vocabulary(labels: Sequence[str], texts: Path | None) -> Vocabulary:
    """Vectors of labels from a file, or of their action units. Raises ConfigError for a label without one."""
    return from_units(labels) if texts is None else read_vocabulary(texts).of(labels)


def texts_of(specs: Sequence[HeadSpec]) -> dict[str, Texts]:
    """What a record says of the vectors, by signal: all labels that were learned are measured."""
    return {spec.signal.name: spec.words.texts(spec.signal.labels) for spec in specs if spec.words is not None}


def signals_of(sets: Collection[Manifest]) -> tuple[Signal, ...]:
    """Those of all sets, each once. Raises ConfigError where two sets mean different things by a name."""
    return distinct(tuple(dict.fromkeys(signal for rows in sets for signal in rows.signals)))


def demand_unmirrored(specs: Sequence[HeadSpec], mirrors: bool) -> None:
    """Raise ConfigError for a head of sides where clips are mirrored: its numbers do not change sides with them."""
    sided = [spec.signal.name for spec in specs if spec.signal.words & SIDED]
    if sided and mirrors:
        raise ConfigError(
            f"clips that are not mirrored, for {', '.join(sided)}", "mirrored ones", "--recipe.augmentation.flip 0"
        )


class SignalLabels(Term):
    """What is known of a signal, by a head that learns with the trunk.

    Args:
        signal: what is said.
        head: says it.
        loss: of its numbers.
        edges: weight of the loss of its edges, where it says any.
    """

    def __init__(self, signal: Signal, head: Head, loss: SignalLoss, edges: float = 0.0) -> None:
        super().__init__()
        self.signal, self.head, self.loss, self.edges = signal, head, loss, edges
        self.reads_tokens, self.reads_middle = head.reads_tokens, head.reads_middle

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """See :mod:`mien.training.masked`."""
        name = self.signal.name
        whole, edges = with_edges(answer, {name: self.head})
        loss = self.loss(whole.signals[name].float(), step.signals[name], step.progress)
        return loss + self.edges * edge_loss(edges[name].float(), step.signals[name]) if edges else loss


def head_terms(
    specs: Sequence[HeadSpec], net: Net, sets: Collection[Manifest], losses: HeadLosses
) -> dict[str, tuple[float, Term]]:
    """Weight and term of every head.

    Args:
        specs: of the recipe.
        net: whose feature or tokens they read.
        sets: what the numbers are taken from, for the rates of labels.
        losses: the recipe's.

    Raises:
        ConfigError: a network without tokens for a head that reads them; a signal of which no training item knows.
    """
    built = built_heads(specs, net.config.dim)
    terms: dict[str, tuple[float, Term]] = {}
    for spec in specs:
        head = built[spec.signal.name]
        if (head.reads_tokens and not net.gives_tokens) or (head.reads_middle and not net.gives_middle):
            got = f"{spec.kind} on {net.config.network}"
            raise ConfigError("a network with tokens for such a head", got, "choose another kind of head")
        numbers = torch.cat([numbers_of(rows, spec.signal) for rows in sets])
        if numbers.isnan().all():
            raise ConfigError(
                f"{spec.signal.name} of some training items", "blank cells alone", "change --recipe.heads"
            )
        loss = loss_for(spec.kind, spec.signal, numbers, losses)
        terms[PREFIX + spec.signal.name] = spec.weight, SignalLabels(spec.signal, head, loss, losses.edges)
    return terms


def numbers_of(rows: Manifest, signal: Signal) -> Float[Tensor, "n k"]:
    """What a set knows of a signal; NaN throughout where it does not have it."""
    if signal not in rows.signals:
        return torch.full((len(rows), len(signal.labels)), float("nan"))
    return torch.from_numpy(rows.beside()[:, places(rows.signals)[signal.name]])


def demand_known(signal: Signal, sets: Sequence[Manifest], flag: str) -> None:
    """Raise DataError where of the training items or of those held out nobody knows a signal that ``flag`` names."""
    if any(numbers_of(rows, signal).isnan().all() for rows in sets):
        expected = f"{signal.name} of some training and some held-out items"
        raise DataError(expected, "blank cells alone", f"change {flag}")


def heads_of(specs: Sequence[HeadSpec], terms: nn.ModuleDict) -> dict[str, Head]:
    """The heads themselves, by signal, of a learner's terms."""
    learning = (terms[PREFIX + spec.signal.name] for spec in specs)
    return {term.signal.name: term.head for term in learning if isinstance(term, SignalLabels)}


def trained_heads(specs: Sequence[HeadSpec], state: Mapping[str, Tensor], dim: int) -> dict[str, Head]:
    """Heads, by signal, with what a learner's state has of them.

    Args:
        specs: those that are wanted.
        state: of the learner.
        dim: of the network's feature.
    """
    heads = built_heads(specs, dim)
    for name, head in heads.items():
        begun = f"terms.{PREFIX}{name}.head."
        head.load_state_dict({key.removeprefix(begun): part for key, part in state.items() if key.startswith(begun)})
    return heads


def built_heads(specs: Sequence[HeadSpec], dim: int) -> dict[str, Head]:
    """Fresh heads, by signal."""
    kinds, signals = {spec.signal.name: spec.kind for spec in specs}, tuple(spec.signal for spec in specs)
    heads = build_heads(kinds, signals, dim, texts_of(specs))
    for spec in specs:
        head = heads[spec.signal.name]
        if spec.words is not None and isinstance(head, Text):
            head.take(spec.words)
    return heads
