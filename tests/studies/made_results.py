"""Result folders as ``mien analyze`` writes them, of numbers that a test chooses."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ("neutral", "happiness", "sadness")
HEADER = "frame,time,track,x0,y0,x1,y1,detector_score,measured,size,sharpness,yaw,reason,label,score," + ",".join(
    f"p_{label}" for label in LABELS
)


def write_result(
    folder: Path,
    values: np.ndarray,
    *,
    fps: float = 10.0,
    start: float = 0.0,
    track: Sequence[int] | int = 1,
    times: Sequence[float] | None = None,
    duration: float | None = None,
    signals: Mapping[str, np.ndarray] | None = None,
    labels: Sequence[str] | None = None,
    name: str | None = None,
    threshold: float = 0.5,
) -> Path:
    """A film whose every frame has a row of ``values`` (n, 3); NaN is unreadable. Spans are runs of the likeliest."""
    folder.mkdir(parents=True)
    n = len(values)
    at = start + np.arange(n) / fps if times is None else np.array(times)
    tracks = np.full(n, track) if isinstance(track, int) else np.array(track)
    unread = np.isnan(values).any(axis=1)
    best = np.where(unread, -1, np.nan_to_num(values).argmax(axis=1))
    best = np.where(~unread & (np.nan_to_num(values).max(axis=1) < threshold), -2, best)
    named = [{-1: "unclear", -2: "unclear"}.get(code, LABELS[code]) for code in best]
    signals = signals or {}
    lines = [HEADER + "".join(f",{column}" for column in signals)]
    for row in range(n):
        reason = {-1: "turned away", -2: "low confidence"}.get(best[row], "")
        score = f"{values[row, best[row]]:.4f}" if best[row] >= 0 else ""
        cells = ["" if unread[row] else f"{value:.4f}" for value in values[row]]
        cells += ["" if unread[row] else f"{column[row]:.4f}" for column in signals.values()]
        face = f"{row},{at[row]:.4f},{tracks[row]},1.0,1.0,99.0,99.0,0.9990,true,98.0,80.0,3.0"
        lines.append(f"{face},{reason},{named[row]},{score},{','.join(cells)}")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n", "utf-8")
    length = n / fps if duration is None else duration
    content: dict[str, Any] = {
        "schema": 2,
        "source": {"name": name or f"{folder.name}.mp4", "kind": "video", "duration": length, "start": start},
        "label_space": "three",
        "labels": labels or LABELS,
        **({"signals": _told(signals)} if signals else {}),
        "tracks": [],
        "spans": _spans(at, tracks, best, named, 1 / fps),
        "provenance": {
            "mien": "0.1.0",
            "model": {"name": "made", "sha256": "ab" * 32, "prior": "trained", "threshold": threshold},
            "settings": {"min_span": 0.1, "faces": {"max_gap": 1.0}},
            "source": {"path": f"films/{name or folder.name + '.mp4'}"},
            "engine": {"name": "torch"},
        },
    }
    (folder / "result.json").write_text(json.dumps(content), "utf-8")
    return folder


def _told(signals: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    names = dict.fromkeys(column.split(".")[0] for column in signals)
    columns = {name: [column.split(".")[1] for column in signals if column.startswith(f"{name}.")] for name in names}
    return [{"name": name, "kind": "scale", "labels": columns[name], "range": [-1, 1]} for name in names]


def _spans(at: np.ndarray, tracks: np.ndarray, best: np.ndarray, named: list[str], step: float) -> list[dict[str, Any]]:
    spans: list[dict[str, Any]] = []
    for track in np.unique(tracks):
        rows = np.flatnonzero(tracks == track)
        cuts = [0, *(np.flatnonzero(np.diff(best[rows])) + 1).tolist(), len(rows)]
        for first, last in pairwise(cuts):
            code = int(best[rows[first]])
            reason = {-1: "turned away", -2: "low confidence"}.get(code)
            edges = {"start": float(at[rows[first]]), "end": float(at[rows[last - 1]] + step)}
            told = {"label": named[rows[first]], "score": 0.8, "abstained": code < 0, "reason": reason}
            spans.append({"track": int(track), **edges, **told})
    return sorted(spans, key=lambda span: (span["start"], span["track"]))


def shares(happiness: Sequence[float] | np.ndarray, sadness: float = 0.05) -> np.ndarray:
    """Rows of probabilities with this much happiness; the rest is neutral."""
    happy = np.asarray(happiness, np.float64)
    return np.stack([1 - happy - sadness, happy, np.full(len(happy), sadness)], axis=1)


def read_table(path: Path) -> list[dict[str, str]]:
    """A table as dictionaries."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
