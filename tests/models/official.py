"""Deterministic tensors by name, as the official figures beside this file were made (NumPy's PCG64 is stable)."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

CASES = {case["salt"]: case for case in json.loads((Path(__file__).parent / "official_s2d.json").read_text())}


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(shape)


def filled(name: str, shape: list[int], salt: str) -> torch.Tensor:
    """A parameter's values from its official name: near 1 for scales, small for biases, unit gain for matrices."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    u = uniform(salt + name, tuple(shape))
    centred = u - 0.5
    if name.endswith("running_var"):
        values = 1 + 0.2 * u
    elif name.endswith("running_mean"):
        values = 0.2 * centred
    elif name.endswith("smooth"):
        values = 10 + centred
    elif len(shape) == 1 and name.endswith("weight"):
        values = 1 + 0.2 * centred
    elif name.endswith("bias"):
        values = 0.1 * centred
    else:
        values = centred * np.sqrt(12 / max(int(np.prod(shape[1:])), 1))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def official_state(case: dict, part: str, prefix: str = "") -> dict[str, torch.Tensor]:
    return {name: filled(name, shape, case["salt"] + prefix) for name, shape in case[part].items()}


def official_checkpoint(case: dict) -> dict[str, torch.Tensor]:
    """What a released file would hold for this case: the model and, under a prefix, its landmark net."""
    landmark = official_state(case, "landmark_state_dict", "landmark.")
    return official_state(case, "state_dict") | {f"landmark_net.{name}": value for name, value in landmark.items()}
