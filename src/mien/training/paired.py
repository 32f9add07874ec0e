"""What belongs together lies together: InfoNCE between every two of several streams' features, without labels.

For streams m and n, with features z of length 1: -log exp(z_m . z_n / tau) / sum_k exp(z_m . z_n^k / tau), where k runs
over the batch (van den Oord et al., arXiv 1807.03748; between modalities as in CLIP), summed over all pairs and both
directions, the mean over the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.clips.indices import uniform_sample
from mien.core.errors import ConfigError
from mien.data.manifest import Manifest
from mien.data.pixels import frame_count, read_clip
from mien.models.sound_net import Heard, SoundNet
from mien.models.zoo import LoadedModel

TEMPERATURE = 0.1


def info_nce(features: Sequence[Float[Tensor, "n d"]], temperature: float = TEMPERATURE) -> Float[Tensor, ""]:
    """The loss of n items in two or more streams.

    Args:
        features: of every stream, items in the same order; of any length.
        temperature: tau, above 0.

    Raises:
        ConfigError: fewer than two streams, or a temperature that is not above 0.
    """
    if len(features) < 2 or temperature <= 0:
        got = f"{len(features)} streams, temperature {temperature:g}"
        raise ConfigError("two streams or more, and a temperature above 0", got, "change them")
    units = [F.normalize(one.float(), dim=1) for one in features]
    own = torch.arange(len(units[0]), device=units[0].device)
    losses = [F.cross_entropy(one @ other.T / temperature, own) for one, other in permutations(units, 2)]
    return torch.stack(losses).sum()


class Paired(nn.Module):
    """A sound net whose feature is led to where the picture's features are.

    Args:
        net: learns.
        width: of the picture's features.
    """

    def __init__(self, net: SoundNet, width: int) -> None:
        super().__init__()
        self.net, self.way = net, nn.Linear(net.config.dim, width)

    def forward(self, mel: Float[Tensor, "b t f"]) -> Heard:
        """The net's logits, and its feature in the picture's space."""
        heard = self.net(mel)
        return Heard(heard.logits, self.way(heard.feature))


def picture_features(model: LoadedModel, rows: Manifest) -> Float[Tensor, "n d"]:
    """What a picture model makes of clips before its head, less the mean over the clips: all faces look alike to it.

    Raises DataError for a clip that cannot be read.
    """
    found = []
    for row in rows.rows:
        numbers = np.asarray(uniform_sample(frame_count(rows, row), model.record.frames))
        clip = torch.from_numpy(read_clip(rows, row, numbers))[None]
        with torch.inference_mode():
            found.append(model.network.answer(model.network.frames_of(clip / 255), ()).feature[0].float().cpu())
    features = torch.stack(found)
    return features - features.mean(0)
