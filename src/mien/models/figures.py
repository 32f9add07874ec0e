"""Measured figures, beside the weights instead of in them: a new figure must not change 30 MB and their hash. No torch.

``figures.json`` in the folder of a weights file has them by the file's SHA-256: figures of other weights say nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mien.core import checks
from mien.core.errors import ConfigError, WeightsError
from mien.core.files import whole_file

FIGURES = "figures.json"


def figures_of(weights: Path, sha256: str) -> dict[str, float]:
    """What has been measured of the file ``weights`` with this hash; empty where nothing has.

    Raises:
        WeightsError: figures.json is there and is none.
    """
    entry = _read(weights.parent / FIGURES).get(sha256, {})
    return dict(entry.get("scores", {}))


def keep_figures(weights: Path, name: str, sha256: str, scores: dict[str, float]) -> None:
    """Add figures of a weights file, called ``name``, to those beside it; a new one replaces an old one."""
    path = weights.parent / FIGURES
    everything = _read(path)
    before = everything.get(sha256, {}).get("scores", {})
    everything[sha256] = {"name": name, "scores": dict(sorted({**before, **scores}.items()))}
    with whole_file(path) as draft:
        draft.write_text(json.dumps(everything, indent=1) + "\n", "utf-8")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        found = checks.parse_json(path.read_text("utf-8"))
        for entry in found.values():
            for name, value in entry.get("scores", {}).items():
                checks.text("name of a score", name, 3 * checks.MOST_LABEL)
                checks.real(f"score {name}", value, -1e12, 1e12)
    except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
        got = f"{path}: {str(error)[:200]}"
        raise WeightsError("figures by the SHA-256 of a weights file", got, "mend or remove it") from error
    return dict(found)
