"""What is asked of every film of a sweep, and under which name its answer is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mien.analysis.settings import AnalysisSettings
from mien.analysis.state import source_hash
from mien.engines.opening import is_exported
from mien.models.find import find_weights
from mien.models.network import extended
from mien.models.record import ModelRecord, read_record
from mien.report.tables import plain

if TYPE_CHECKING:
    from mien.engines.opening import Backend

ID_LETTERS = 32
BUCKET_LETTERS = 2
"""Of an id: names the folder of a film's frames, of which there are 256."""


@dataclass(frozen=True)
class Asked:
    """Everything that an answer depends on, beside the film.

    Attributes:
        model: as :func:`mien.load` takes it.
        prior: likewise.
        signals: likewise.
        backend: the engine; of no account for :attr:`key`, since engines answer alike.
        settings: how a film is looked at.
    """

    model: str | None = None
    prior: str | None = None
    signals: tuple[str, ...] = ()
    backend: Backend = "auto"
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)

    def record(self) -> ModelRecord:
        """Of the weights. Raises as :func:`mien.load` does, without loading them."""
        if self.model is not None and is_exported(self.model):
            from mien.analysis.expressions import load

            return load(self.model, self.backend, prior=self.prior, signals=self.signals).record
        return extended(read_record(find_weights(self.model)).read_as(self.prior), self.signals)

    def facts(self) -> dict[str, Any]:
        """What :attr:`key` is made of, as JSON types: weights and a detector's file by hash, prior, signals,
        settings."""
        record = self.record()
        # How many windows go through the network at once changes no answer.
        settings = asdict(replace(self.settings, batch=AnalysisSettings.batch))
        weights = {"name": record.name, "sha256": record.sha256, "prior": record.prior}
        signals = [signal.name for signal in record.signals]
        facts: dict[str, Any] = plain({"model": weights, "signals": signals, "settings": settings})
        boxes = self.settings.faces.detector_file
        return facts if boxes is None else {**facts, "detector_file": source_hash(boxes)}


def key_of(facts: dict[str, Any]) -> str:
    """A short name of a question, from :meth:`Asked.facts`."""
    return _hash(json.dumps(facts, sort_keys=True))[:16]


def film_id(uri: str, size: int | None, mark: str, key: str) -> str:
    """The name of an answer: of this film, as it is now, to this question."""
    return _hash(json.dumps([uri, size, mark, key]))[:ID_LETTERS]


def bucket_of(film: str) -> str:
    """Of a film's id, the folder of its frames."""
    return film[:BUCKET_LETTERS]


def in_shard(ids: Sequence[str], part: int, parts: int) -> list[bool]:
    """Which ids are in the ``part``-th of ``parts``: by the id alone, so a manifest that grew moves none."""
    return [int(one[:8], 16) % parts == part - 1 for one in ids]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
