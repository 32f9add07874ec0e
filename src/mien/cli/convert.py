"""``mien convert``: a released checkpoint of S2D or POSTER++ to weights for mien, with the key map as the answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mien.cli.console import print_json, print_line, print_table
from mien.cli.parsing import parse


@dataclass(frozen=True)
class Convert:
    """Turn a released checkpoint of S2D or POSTER++ into weights for mien.

    Strict: a tensor that is missing, left over or of another shape is an error. The file is read as data only.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """The .pth file, of S2D's image or video model, or of POSTER++."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for NAME.safetensors; made if it is not there."""
    name: str | None = None
    """Name of the model. None: the checkpoint's file name."""
    labels: str | None = None
    """Label space: dfew, ferv39k, mafw, rafdb, affectnet7, affectnet8, ferplus. None: for S2D by the class count."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien convert`` and return the exit code."""
    options = parse(Convert, "convert", args)
    from mien.models.convert import convert_checkpoint

    conversion = convert_checkpoint(options.checkpoint, options.out, name=options.name, labels=options.labels)
    if options.json:
        print_json({"path": os.fspath(conversion.path), "key_map": conversion.key_map})
        return 0
    rows = [(official, ours or "(not needed)") for official, ours in conversion.key_map]
    print_table(f"{options.checkpoint.name}: {len(rows)} tensors", ("official", "mien"), rows)
    print_line(f"{conversion.path}\nTry it: mien analyze VIDEO -o out --model {conversion.path}")
    return 0
