"""States of a film and of its people, several at once, from all of its people together (EmoTx, arXiv 2304.05634).

Every element of a stream, a bin of time of the scene, of a person or of the subtitles, is a token: linear + sinusoid of
its number + the stream's type, + the person's own vector. Before the scene's stream and before each person's stand n
label tokens, one a state. All together pass a norm and a post-norm transformer; state k of the film is a linear layer
of its own on the scene's k-th label token, and that of a person the same layer on theirs. Checked against the released
code's figures (katha-ai/EmoTx-CVPR2023); as there, label tokens of a place without a person are heard.

What differs: scene and subtitles may be left out, for mien looks at faces. Then the scene's label tokens stand alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mien.core import checks
from mien.core.errors import ConfigError

SCENE, PERSON, SUBTITLE = range(3)
"""Rows of the table of types."""
MOST_NUMBER = 10_000.0
"""Of the sinusoid's wavelengths, in elements, over 2 pi."""
START = 0.02
"""Standard deviation of a fresh label token or type."""


@dataclass(frozen=True)
class EmoTxConfig:
    """The network's shape; the defaults are the paper's.

    Attributes:
        states: how many there are.
        person: width of what is known of a person in a bin of time.
        scene: width of what is known of the scene; 0: nothing.
        subtitle: likewise of the subtitles.
        people: most of a film.
        dim: of a token, a multiple of ``heads`` and of 2.
        layers: of the transformer.
        heads: of its attention.
        hidden: width between.
        dropout: rate, in [0, 1).
    """

    states: int
    person: int
    scene: int = 0
    subtitle: int = 0
    people: int = 8
    dim: int = 512
    layers: int = 4
    heads: int = 8
    hidden: int = 2048
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("states", "person", "people", "dim", "layers", "heads", "hidden"):
            checks.whole(name, getattr(self, name), 1, 10_000)
        for name in ("scene", "subtitle"):
            checks.whole(name, getattr(self, name), 0, 10_000)
        checks.demand(self.dim % (2 * self.heads) == 0, "dim", f"a multiple of {2 * self.heads}", self.dim)
        checks.real("dropout", self.dropout, 0, 0.99)


class Stream(NamedTuple):
    """What is known bin by bin of time, of one thing.

    Attributes:
        values: of each bin; read only where there are any.
        there: whether anything is known of it.
        numbers: of the bins, in the same unit for scene and people, >= 0.
    """

    values: Float[Tensor, "*b t f"]
    there: Bool[Tensor, "*b t"]
    numbers: Float[Tensor, " t"]


class States(NamedTuple):
    """What is said of b films, before the sigmoid.

    Attributes:
        film: states of each.
        people: of each place for a person; of an empty one they mean nothing.
    """

    film: Float[Tensor, "b n"]
    people: Float[Tensor, "b p n"]


class EmoTx(nn.Module):
    """Streams of a film to its states and its people's.

    Args:
        config: its shape.
    """

    def __init__(self, config: EmoTxConfig) -> None:
        super().__init__()
        self.config = config
        n, d = config.states, config.dim
        self.person = nn.Linear(config.person, d)
        self.scene = nn.Linear(config.scene, d) if config.scene else None
        self.subtitle = nn.Linear(config.subtitle, d) if config.subtitle else None
        self.types = nn.Parameter(torch.empty(3, d))
        self.places = nn.Parameter(torch.empty(config.people, d))
        self.scene_labels, self.person_labels = nn.Parameter(torch.empty(n, d)), nn.Parameter(torch.empty(n, d))
        for table in (self.types, self.places, self.scene_labels, self.person_labels):
            nn.init.normal_(table, std=START)
        self.norm, self.dropout = nn.LayerNorm(d), nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(d, config.heads, config.hidden, config.dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.read = nn.Parameter(torch.empty(n, d))
        self.bias = nn.Parameter(torch.zeros(n))
        nn.init.normal_(self.read, std=START)

    def forward(self, people: Stream, scene: Stream | None = None, subtitles: Stream | None = None) -> States:
        """States of b films.

        Args:
            people: (b, p, t, f), p up to ``config.people``; a place without a person has nothing there.
            scene: (b, t, g), where ``config.scene`` has a width.
            subtitles: likewise.

        Raises:
            ConfigError: a stream too many or too few, or more people than there are places.
        """
        self._demand(people, scene, subtitles)
        (b, p), n = people.values.shape[:2], self.config.states
        elements = self._told(self.person, people) + self.types[PERSON] + self.places[:p, None]
        labels = (self.person_labels + self.types[PERSON] + self.places[:p, None]).expand(b, -1, -1, -1)
        heard = torch.cat([people.there.new_ones(b, p, n), people.there], 2)
        tokens = [(self.scene_labels + self.types[SCENE]).expand(b, -1, -1)]
        masks = [heard.new_ones(b, n)]
        begin = n
        if self.scene is not None and scene is not None:
            tokens.append(self._told(self.scene, scene) + self.types[SCENE])
            masks.append(scene.there)
            begin += scene.there.shape[1]
        tokens.append(torch.cat([labels, elements], 2).flatten(1, 2))
        masks.append(heard.flatten(1))
        if self.subtitle is not None and subtitles is not None:
            tokens.append(self._told(self.subtitle, subtitles) + self.types[SUBTITLE])
            masks.append(subtitles.there)
        x = self.dropout(self.norm(torch.cat(tokens, 1)))
        x = self.encoder(x, src_key_padding_mask=~torch.cat(masks, 1))
        hers = x[:, begin : begin + heard[0].numel()].unflatten(1, (p, -1))[:, :, :n]
        return States(self._read(x[:, :n]), self._read(hers))

    def _told(self, layer: nn.Linear, stream: Stream) -> Float[Tensor, "*b t d"]:
        known = stream.values.where(stream.there[..., None], 0.0)  # else NaN of what nobody hears would spread
        told: Tensor = layer(known) + sinusoid(stream.numbers, self.config.dim)
        return told

    def _read(self, labels: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b n"]:
        return (labels * self.read).sum(-1) + self.bias

    def _demand(self, people: Stream, scene: Stream | None, subtitles: Stream | None) -> None:
        for name, given in (("scene", scene), ("subtitle", subtitles)):
            if bool(getattr(self.config, name)) != (given is not None):
                expected = f"a {name} stream" if given is None else f"no {name} stream"
                raise ConfigError(expected, "none" if given is None else "one", f"see EmoTxConfig.{name}")
        if people.values.shape[1] > self.config.people:
            got = str(people.values.shape[1])
            raise ConfigError(f"at most {self.config.people} people", got, "keep those that are seen longest")


def sinusoid(numbers: Float[Tensor, " t"], dim: int) -> Float[Tensor, "t d"]:
    """Sine and cosine of the numbers by turns, wavelengths from 2 pi to :data:`MOST_NUMBER` x 2 pi (arXiv 1706.03762,
    section 3.5)."""
    rates = torch.exp(torch.arange(0, dim, 2, device=numbers.device) * (-math.log(MOST_NUMBER) / dim))
    turns = numbers[:, None] * rates
    return torch.stack([turns.sin(), turns.cos()], 2).flatten(1)
