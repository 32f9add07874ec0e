"""Sound as a network sees it: the log-mel spectrogram, and what weights of a sound net say about themselves. No torch.

The spectrogram is Kaldi's, as AudioMAE (arXiv 2207.06405) and most speech nets take it: windows of 25 ms every 10 ms,
none of them filled up; each without its mean, pre-emphasised (x_t - .97 x_(t-1)), under a symmetric Hann window; the
power of 512 frequencies, summed under triangles that are linear in mel, and its natural logarithm.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64
from safetensors import SafetensorError, safe_open

from mien.core import checks
from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal, parse_signals
from mien.models.late_fusion import LateFusion, parse_fusion

RATE = 16_000
"""Samples a second."""
FRAME, HOP, POINTS = 400, 160, 512
"""Samples of a frame; from one to the next; of its Fourier transform."""
PRE_EMPHASIS = 0.97
LOWEST, HIGHEST = 20.0, 8000.0
"""Hertz between which the triangles lie."""
LEAST_ENERGY = 1.19e-7
"""Below it the logarithm stays at that of it."""
KEY, FORMAT = "mien-sound", 1
MOST_SECONDS, MOST_BINS, MOST_CHANNELS, MOST_WIDTH = 30.0, 256, 512, 4096


@dataclass(frozen=True)
class SoundConfig:
    """What a sound net hears, and its shape.

    Attributes:
        classes: number of expressions.
        seconds: of sound that it hears at once.
        bins: of the spectrogram, a multiple of 16.
        channels: of the first convolution; the last has four times as many.
        mean: of the spectrogram's values, subtracted; AudioMAE's.
        scale: what they are divided by then: twice AudioMAE's standard deviation.
        dropout: rate before the head, in [0, 1).
    """

    classes: int = 7
    seconds: float = 1.0
    bins: int = 64
    channels: int = 8
    mean: float = -4.2677
    scale: float = 2 * 4.5690
    dropout: float = 0.2

    def __post_init__(self) -> None:
        checks.whole("classes", self.classes, 1, 10_000)
        checks.real("seconds", self.seconds, 0.2, MOST_SECONDS)
        checks.whole("bins", self.bins, 16, MOST_BINS)
        checks.demand(self.bins % 16 == 0, "bins", "a multiple of 16", self.bins)
        checks.whole("channels", self.channels, 1, MOST_CHANNELS)
        checks.real("mean", self.mean, -100, 100)
        checks.real("scale", self.scale, 1e-3, 1e3)
        checks.real("dropout", self.dropout, 0, 0.99)

    @property
    def samples(self) -> int:
        """Of a window."""
        return round(self.seconds * RATE)

    @property
    def frames(self) -> int:
        """Of its spectrogram."""
        return 1 + (self.samples - FRAME) // HOP

    @property
    def dim(self) -> int:
        """Of the feature: mean and maximum over time of what the last convolution gives."""
        return 2 * 4 * self.channels * (self.bins // 16)


@dataclass(frozen=True)
class TrunkConfig:
    """Sound joined to the picture in every block (:mod:`mien.models.bottleneck`), in the place of the sound net.

    Attributes:
        narrow: width of the space that picture and sound meet in.
        dim: width of the sound's tokens, a multiple of ``heads``; it has as many blocks as the picture model.
        heads: of its attention.
    """

    narrow: int = 128
    dim: int = 64
    heads: int = 4

    def __post_init__(self) -> None:
        checks.whole("narrow", self.narrow, 1, MOST_WIDTH)
        checks.whole("heads", self.heads, 1, MOST_WIDTH)
        checks.whole("dim", self.dim, 1, MOST_WIDTH)
        checks.demand(self.dim % self.heads == 0, "dim", f"a multiple of heads, {self.heads}", self.dim)


@dataclass(frozen=True)
class SoundPlane:
    """A scale that the sound net says too, such as valence and arousal, and how it joins the picture's.

    Attributes:
        signal: what it says; the picture model says the same.
        weights: of the sound in each column, in [0, 1]: (1 - w) picture + w sound.
    """

    signal: Signal
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.demand(self.signal.kind == "scale", "plane", "a scale", self.signal.kind)
        fits = isinstance(self.weights, tuple) and len(self.weights) == len(self.signal.labels)
        checks.demand(fits, "weights of plane", "one a column", self.weights)
        for weight in self.weights:
            checks.real("a weight of plane", weight, 0, 1)

    def __call__(
        self, picture: Float[np.ndarray, "n k"], sound: Float[np.ndarray, "n k"]
    ) -> Float64[np.ndarray, "n k"]:
        """What both say; where they are the same, or a weight is 0, the picture's numbers to the bit."""
        mixed: Float64[np.ndarray, "n k"] = picture + np.array(self.weights) * (sound - picture)
        return mixed


@dataclass(frozen=True)
class SoundRecord:
    """Everything about the weights of a sound net but the numbers.

    Attributes:
        name: of the weights.
        labels: the classes, in the order of the net's logits.
        config: what it hears, and its shape.
        picture: name of the picture model that its answers are fused with.
        picture_sha256: of that model's weights: for others the fusion was not fitted.
        picture_prior: how that model's logits were read then.
        fusion: with its weights in the order of ``labels``.
        trained_on: data and recipe, in a sentence.
        dataset: name of the data set; empty when unknown.
        fold: of it; 0 without folds.
        licence: of the weights.
        scores: measured figures by name.
        sha256: of the file; empty until it is read from one.
        source: that file.
        trunk: of sound that is joined to the picture in every block; None: it answers alone.
        plane: a scale that it says too; None: none.
    """

    name: str
    labels: LabelSpace
    config: SoundConfig
    picture: str
    picture_sha256: str
    picture_prior: str
    fusion: LateFusion
    trained_on: str = ""
    dataset: str = ""
    fold: int = 0
    licence: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    sha256: str = ""
    source: str = ""
    trunk: TrunkConfig | None = None
    plane: SoundPlane | None = None

    def __post_init__(self) -> None:
        checks.file_name("name", self.name)
        count = len(self.labels)
        checks.demand(self.config.classes == count, "labels", f"{self.config.classes}, one an output", count)
        checks.demand(len(self.fusion.picture) == count, "fusion", f"{count} weights a stream", self.fusion.picture)
        for name in ("picture", "picture_sha256", "picture_prior", "trained_on", "dataset", "licence"):
            checks.text(name, getattr(self, name))
        checks.whole("fold", self.fold, 0, 10_000)
        for name, value in self.scores.items():
            checks.text("name of a score", name, 3 * checks.MOST_LABEL)
            checks.real(f"score {name}", value, -1e12, 1e12)

    def to_json(self) -> str:
        """The header's text; hash and path are facts about a file and stay out."""
        body = dataclasses.asdict(self)
        del body["sha256"], body["source"]
        if self.plane is not None:
            body["plane"] = {"signal": self.plane.signal.to_dict(), "weights": list(self.plane.weights)}
        for later in ("trunk", "plane"):  # without them the file is what it was before there were such things
            if body[later] is None:
                del body[later]
        return json.dumps({"format": FORMAT, **body})


def read_sound_record(path: Path) -> SoundRecord:
    """The record in a file of :func:`mien.models.sound_net.save_sound`.

    Raises:
        WeightsError: missing, torn, or not weights of a sound net.
    """
    expected, fix = "weights of a sound net", "make them with `mien train sound`"
    if not path.is_file():
        got = f"{path}, a folder" if path.is_dir() else f"no file at {path}"
        raise WeightsError(expected, got, "name the .safetensors in it" if path.is_dir() else fix)
    try:
        with safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(KEY)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (SafetensorError, OSError) as error:
        raise WeightsError(expected, f"{path}: {str(error)[:200]}", fix) from error
    if text is None:
        raise WeightsError(expected, f"{path}, which is none", fix)
    try:
        return _parse(text, str(path), digest)
    except ConfigError as error:
        raise WeightsError(f"weights with {error.expected}", f"{path}: {error.got}", fix) from error
    except (LookupError, TypeError, ValueError) as error:
        got = f"{path}: {type(error).__name__}: {str(error)[:200]}"
        raise WeightsError(f"a header of a sound net of format {FORMAT}", got, fix) from error


def _parse(text: str, source: str, sha256: str) -> SoundRecord:
    body: dict[str, Any] = checks.parse_json(text)
    if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
        raise ValueError("another format")
    labels, trunk, plane = body.pop("labels"), body.pop("trunk", None), body.pop("plane", None)
    return SoundRecord(
        **{
            **body,
            "labels": LabelSpace(labels["name"], tuple(labels["labels"])),
            "config": SoundConfig(**body["config"]),
            "fusion": parse_fusion(body["fusion"]),
            "trunk": trunk and TrunkConfig(**trunk),
            "plane": plane and SoundPlane(parse_signals([plane["signal"]])[0], tuple(plane["weights"])),
            "source": source,
            "sha256": sha256,
        }
    )


def log_mel(wave: Float[np.ndarray, " n"], bins: int) -> Float32[np.ndarray, "t f"]:
    """The log-mel spectrogram, t = 1 + (n - 400) // 160 frames.

    Args:
        wave: at 16 kHz, full scale being -1 to 1; at least 400 samples.
        bins: number of triangles. Where they lie closer than the transform's frequencies some hold none of them and
            stay at the floor, ln 1.19e-7: one of 128.
    """
    if len(wave) < FRAME:
        raise ConfigError(f"at least {FRAME} samples", str(len(wave)), "give a longer stretch of sound")
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(wave, np.float64), FRAME)[::HOP]
    frames = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    frames = (frames - PRE_EMPHASIS * before) * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, POINTS)) ** 2
    mel: Float32[np.ndarray, "t f"] = np.log(np.maximum(power @ triangles(bins).T, LEAST_ENERGY)).astype(np.float32)
    return mel


def log_mels(waves: Float[np.ndarray, "b n"], bins: int) -> Float32[np.ndarray, "b t f"]:
    """:func:`log_mel` of each."""
    return np.stack([log_mel(wave, bins) for wave in waves])


@lru_cache(8)
def triangles(bins: int) -> Float64[np.ndarray, "f k"]:
    """The weight of each frequency of the transform in each bin, 0 to 1."""

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(hertz / 700)

    low, high = mel(np.array([LOWEST, HIGHEST]))
    edges = np.linspace(low, high, bins + 2)[:, None]
    at = mel(np.arange(POINTS // 2 + 1) * RATE / POINTS)
    rise, fall = (at - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - at) / (edges[2:] - edges[1:-1])
    weights: Float64[np.ndarray, "f k"] = np.maximum(0, np.minimum(rise, fall))
    return weights
