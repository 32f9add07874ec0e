"""Features of whole sets: of a recogniser, and of an encoder that learnt without labels (`mien pretrain`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from safetensors import SafetensorError, safe_open

from mien.clips.indices import evaluation_views
from mien.core.errors import DataError
from mien.data.manifest import Manifest
from mien.data.pixels import frame_count, read_clip
from mien.models.preprocess import to_frames
from mien.models.pretrain import MaskedAutoencoderConfig
from mien.models.record import Preprocessing
from mien.models.vit import VisionTransformer
from mien.models.weights import Recognizer, read_tensors
from mien.training.task import device_of

FRAMES_AT_ONCE = 64
NOT_ONE = "a file that `mien pretrain` wrote, or .npz with ids and features"


class Seen(NamedTuple):
    """What a network makes of items.

    Attributes:
        logits: before calibration.
        feature: what its head reads.
    """

    logits: Float64[np.ndarray, "n c"]
    feature: Float32[np.ndarray, "n d"]


def clips_of(rows: Manifest, frames: int) -> Iterator[UInt8[np.ndarray, "b t 3 h w"]]:
    """All items in order, some at a time; of a clip ``frames`` from its middle view, of an image one.

    Raises:
        DataError: an item that cannot be read.
    """
    waiting: list[UInt8[np.ndarray, "t 3 h w"]] = []
    for row in rows.rows:
        count = frame_count(rows, row)
        clip = read_clip(rows, row, evaluation_views(count, 1 if count == 1 else frames, 1)[0])
        if waiting and (clip.shape != waiting[0].shape or (len(waiting) + 1) * len(clip) > FRAMES_AT_ONCE):
            yield np.stack(waiting)
            waiting = []
        waiting.append(clip)
    if waiting:
        yield np.stack(waiting)


def see(recognizer: Recognizer, rows: Manifest, frames: int = 1) -> Seen:
    """Logits and feature of every item, in order, without augmentation.

    Args:
        recognizer: in eval mode.
        rows: the items.
        frames: of a clip.
    """
    logits, features = [], []
    device = device_of(recognizer)
    with torch.inference_mode():
        for clips in clips_of(rows, frames):
            answer = recognizer.answer(recognizer.frames_of(torch.from_numpy(clips).to(device).float() / 255), ())
            logits.append(answer.logits.double().cpu().numpy())
            features.append(answer.feature.float().cpu().numpy())
    return Seen(np.concatenate(logits), np.concatenate(features))


def features_from(path: Path, rows: Manifest) -> Float32[np.ndarray, "n d"]:
    """Features of every item, in order: of the encoder in a file, the mean of its normed patch tokens; or as they are.

    Args:
        path: ``encoder.safetensors`` of `mien pretrain`; or ``.npz`` with ``ids`` (n) and ``features`` (n, d) of any
            other encoder.
        rows: the items; of a clip the middle frame is seen.

    Raises:
        DataError: neither, or an item has none.
        WeightsError: a torn file.
    """
    if not path.is_file():
        raise DataError(NOT_ONE, f"no file at {path}", "check the path")
    return _stored(path, rows) if path.suffix == ".npz" else _encoded(path, rows)


def _stored(path: Path, rows: Manifest) -> Float32[np.ndarray, "n d"]:
    try:
        with np.load(path) as file:
            ids, features = file["ids"].astype(str), file["features"]
            found = dict(zip(ids.tolist(), features.astype(np.float32), strict=True))
        if features.ndim != 2:
            raise ValueError(f"features of shape {features.shape}")
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise DataError(NOT_ONE, f"{path}: {error}", "write it again") from error
    missing = [row.id for row in rows.rows if row.id not in found]
    if missing:
        got = f"{path}: none for {missing[0]}" + (f" and {len(missing) - 1} others" if missing[1:] else "")
        raise DataError("a feature for every face", got, "add them")
    return np.stack([found[row.id] for row in rows.rows])


def _encoded(path: Path, rows: Manifest) -> Float32[np.ndarray, "n d"]:
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["pretrain"])
        config = MaskedAutoencoderConfig(**facts["config"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(NOT_ONE, f"{path}: {error}", "make it with `mien pretrain`") from error
    encoder = VisionTransformer(config.input_size, config.patch, config.dim, config.depth, config.heads)
    try:
        encoder.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        raise DataError(NOT_ONE, f"{path}: {str(error)[:200]}", "make it anew") from error
    as_learnt, found = Preprocessing(input_size=config.input_size), []
    with torch.inference_mode():
        for clips in clips_of(rows, 1):
            images = to_frames(torch.from_numpy(clips[:, 0]).float() / 255, config.input_size, as_learnt)
            tokens = encoder.eval()(images)
            found.append(tokens[:, 1:].mean(1).numpy())
    return np.concatenate(found)
