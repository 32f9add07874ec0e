"""What a recogniser says to the images of a FERPlus split; for the other tools."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.data.ferplus import FerPlusSplit
from mien.models.weights import Recognizer


def predict(recognizer: Recognizer, split: FerPlusSplit, flip: bool = False, batch: int = 128) -> Tensor:
    """Logits (n, c) through the path use takes; ``flip`` averages with the mirrored image."""
    outs = []
    for images in torch.from_numpy(split.images).split(batch):  # type: ignore[no-untyped-call]
        clips = images[:, None, None].expand(-1, 1, 3, -1, -1)
        with torch.inference_mode():
            logits = recognizer(clips)
            if flip:
                logits = (logits + recognizer(clips.flip(-1))) / 2
        outs.append(logits.float())
    return torch.cat(outs)
