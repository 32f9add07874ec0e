"""``mien relabel``: other labels for a head of text vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.core.errors import ConfigError
from mien.models.find import find_weights
from mien.models.texts import from_units, read_vocabulary


@dataclass(frozen=True)
class Relabel:
    """Other labels for a head of text vectors, without training; they are marked as not measured.

    For heads such as --recipe.heads words=text. What the weights say else stays as it is. Of new labels nothing was
    measured: try them on labelled faces of your own before you believe them.
    """

    weights: Annotated[str, tyro.conf.Positional]
    """Weights with such a head: a name, a file or a folder."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The new .safetensors file."""
    texts: Path | None = None
    """JSON file of all labels that there shall be, and their vectors."""
    labels: tuple[str, ...] = ()
    """All labels that there shall be, for a head that learnt by action units; those of each are known to mien."""
    signal: str | None = None
    """Whose labels. None: there is one such head."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien relabel`` and return the exit code."""
    options = parse(Relabel, "relabel", args)
    if (options.texts is None) == (not options.labels):
        raise ConfigError("--texts or --labels", "both" if options.labels else "none", "say one of them")
    if options.out.suffix != ".safetensors":
        raise ConfigError("-o FILE.safetensors", str(options.out), "change -o")
    words = from_units(options.labels) if options.texts is None else read_vocabulary(options.texts)
    from mien.models.relabel import relabel

    record = relabel(find_weights(options.weights), words, options.out, options.signal)
    name = options.signal or next(iter(record.texts))
    new = record.texts[name].unmeasured(words.labels)
    if options.json:
        print_json(
            {"path": record.source, "signal": name, "not_measured": new, **dataclasses.asdict(record.texts[name])}
        )
        return 0
    print_line(f"{record.source}: {name} says {', '.join(words.labels)}")
    print_line(f"Not measured: {', '.join(new) or 'none'}. See `mien models {record.source}`.")
    return 0
