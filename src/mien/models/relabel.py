"""Other labels for a head of text vectors, in a new file; every other tensor stays to the bit."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.models.record import ModelRecord, read_record
from mien.models.texts import UNITS, Texts, Vocabulary
from mien.models.weights import read_tensors, write_tensors


def relabel(path: Path, words: Vocabulary, out: Path, signal: str | None = None) -> ModelRecord:
    """Write the weights again with other labels for one of their signals; the new record comes back.

    The record lists which labels were measured: a label of the old file with its old vector stays so, every other one
    is not. Figures of the signal are left out, for they were taken among other labels.

    Args:
        path: weights with a head of kind ``text``.
        words: the new labels.
        out: ``.safetensors`` file, called as the new weights are to be.
        signal: whose labels; None: that of the only such head.

    Raises:
        ConfigError: no such head, more than one of them, or vectors of another kind or length than it learnt by.
        WeightsError: not weights of mien.
    """
    record = read_record(path)
    name = _signal_of(record, signal)
    state, old, begun = read_tensors(path), record.texts[name], f"heads.{name}."
    if (words.vectors.shape[1], words.opposite is not None, words.source == UNITS) != (
        old.dim,
        old.opposed,
        old.source == UNITS,
    ):
        raise ConfigError(f"{_about(old)}, as {record.name} learnt by", _about(words.texts(())), "make such vectors")
    spoken = next(one for one in record.signals if one.name == name)
    opposite = _rows(state[f"{begun}opposite"]) if old.opposed else None
    before = Vocabulary(spoken.labels, _rows(state[f"{begun}vectors"]), opposite, old.source)
    texts = words.texts(tuple(label for label in words.same(before) if label in old.measured))
    now = dataclasses.replace(spoken, labels=words.labels, note=texts.note(words.labels, old.measured))
    new = dataclasses.replace(
        record,
        name=out.stem,
        signals=tuple(now if one.name == name else one for one in record.signals),
        texts={**record.texts, name: texts},
        scores={key: value for key, value in record.scores.items() if not re.search(rf"_{name}[_.]", key)},
        trained_on=f"{record.trained_on}; other labels for {name}",
    )
    dtype = state[f"{begun}vectors"].dtype
    state[f"{begun}vectors"] = torch.from_numpy(words.vectors).to(dtype)
    if words.opposite is not None:
        state[f"{begun}opposite"] = torch.from_numpy(words.opposite).to(dtype)
    with whole_file(out) as draft:
        write_tensors(state, {"mien": new.to_json()}, draft)
    return read_record(out)


def _signal_of(record: ModelRecord, signal: str | None) -> str:
    """The one whose labels are exchanged."""
    fitting = list(record.texts)
    if signal is None and len(fitting) == 1:
        return fitting[0]
    if signal in fitting:
        return str(signal)
    expected = f"weights with a head of text vectors for {signal or 'one signal'}"
    fix = f"say --signal {' or '.join(fitting)}" if fitting else "train one: docs/train-your-own.md, New labels"
    raise ConfigError(expected, f"{record.name}, {', '.join(fitting) or 'which has none'}", fix)


def _about(texts: Texts) -> str:
    kind = UNITS if texts.source == UNITS else "texts"
    both = " of what labels look like and what not" if texts.opposed else ""
    return f"vectors of {texts.dim} numbers from {kind}{both}"


def _rows(tensor: Tensor) -> Float32[np.ndarray, "k d"]:
    rows: Float32[np.ndarray, "k d"] = tensor.float().numpy()
    return rows
