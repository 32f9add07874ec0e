"""Files of ``torch.save``, read so that nothing in them runs and that damage shows."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from mien.core.errors import WeightsError


def read_torch(path: Path) -> Any:
    """What ``torch.save`` wrote, on the CPU.

    Torch does not look at the checksums that stand beside every tensor of its archives: a flipped bit would be another
    weight.

    Raises:
        WeightsError: missing, torn, damaged, or with anything else in it than tensors and plain values.
    """
    expected = "a file that torch.save wrote"
    if not os.path.isfile(path):
        raise WeightsError(expected, f"no file at {path}", "check the path")
    try:
        if zipfile.is_zipfile(path):
            _demand_whole(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives and pickles raise a dozen kinds, all of them "cannot be read"
        reason = (str(error).splitlines() or [""])[0][:200]
        reason = type(error).__name__ if not reason or reason.isdecimal() else reason
        raise WeightsError(expected, f"{path}: {reason}", "it is torn or no such file: take another copy") from error


def _demand_whole(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} is not as it was written")
