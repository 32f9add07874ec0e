"""The shape of an S2D network as its weights' record tells it. No torch here: ``mien models`` must start fast."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from mien.core import checks
from mien.core.errors import ConfigError
from mien.models.nets import MOST_SIDE, NetConfig

Fusion = Literal["mcp", "window", "none"]
ADAPTER_HEADS = 8
"""Of the attention over frames in every temporal adapter."""
LATER = ("fusion", "fusion_at", "squeeze")
"""Fields that records of before have not."""
MOST_GRID = 64
"""Patches along a side; their attention costs the fourth power."""
MOST_DIM, MOST_DEPTH, MOST_CLASSES, MOST_FRAMES = 8192, 256, 10_000, 4096
"""Far above any network there is: a record that claims more is damaged, and building it would take all memory."""


@dataclass(frozen=True)
class S2DConfig(NetConfig):
    """The shape of an S2D network.

    Attributes:
        input_size: side of the square input in pixels, a multiple of ``patch``.
        patch: side of a patch in pixels.
        dim: token width, a multiple of ``heads``.
        depth: number of transformer blocks, each with a prompter.
        heads: attention heads.
        classes: number of expressions.
        frames: clip length of the video model's temporal embedding; None: the image model.
        prompts: False leaves the landmarks out, whatever ``fusion`` says: a plain ViT, for ablations.
        dropout: rate before the head, in [0, 1).
        drop_path: stochastic depth rate of the last block, in [0, 1).
        adapter_ratio: width inside a temporal adapter as a share of ``dim``; that width is a multiple of its 8 heads.
        fusion: how landmarks come in. mcp: S2D's prompters; window: they ask the patch tokens, as in POSTER++
            (:mod:`mien.models.window`), in the image model; none: not at all.
        fusion_at: blocks, from 0, before which ``window`` stands; None: the first of each third of them.
        squeeze: reduction r of a gate before the head (:mod:`mien.models.squeeze`), 16 is usual; 0: none.
    """

    network: ClassVar[str] = "s2d"

    input_size: int = 224
    patch: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    classes: int = 7
    frames: int | None = None
    prompts: bool = True
    dropout: float = 0.5
    drop_path: float = 0.0
    adapter_ratio: float = 0.25
    fusion: Fusion = "mcp"
    fusion_at: tuple[int, ...] | None = None
    squeeze: int = 0

    def __post_init__(self) -> None:
        self._demand_ranges()
        if self.input_size % self.patch:
            raise ConfigError(
                f"input_size a multiple of patch {self.patch}", str(self.input_size), "change one of them"
            )
        if self.dim % self.heads:
            raise ConfigError(f"dim a multiple of heads {self.heads}", str(self.dim), "change one of them")
        if self.frames is not None and (self.adapter_width < 1 or self.adapter_width % ADAPTER_HEADS):
            got = f"{self.dim} x {self.adapter_ratio:g}"
            raise ConfigError(f"a multiple of {ADAPTER_HEADS} as width of the adapters", got, "change one of them")
        if self.frames is not None and self.fused != "mcp":
            got = "frames only" if self.fused == "none" else f"frames and fusion {self.fused}"
            raise ConfigError("prompts with frames (the adapters share their norms)", got, "set prompts, fusion mcp")
        if self.fusion_at is not None and self.fused != "window":
            raise ConfigError("fusion window for fusion_at", self.fused, "change one of them")

    def _demand_ranges(self) -> None:
        checks.whole("input_size", self.input_size, 1, MOST_SIDE)
        checks.whole("patch", self.patch, 1, MOST_SIDE)
        checks.whole("dim", self.dim, 1, MOST_DIM)
        checks.whole("depth", self.depth, 1, MOST_DEPTH)
        checks.whole("heads", self.heads, 1, MOST_DIM)
        checks.whole("classes", self.classes, 1, MOST_CLASSES)
        if self.frames is not None:
            checks.whole("frames", self.frames, 1, MOST_FRAMES)
        checks.demand(isinstance(self.prompts, bool), "prompts", "true or false", self.prompts)
        for name in ("dropout", "drop_path"):
            checks.real(name, getattr(self, name), 0, 1)
            checks.demand(getattr(self, name) < 1, name, "below 1", getattr(self, name))
        checks.real("adapter_ratio", self.adapter_ratio, 0, 4)
        checks.demand(self.fusion in get_args(Fusion), "fusion", "mcp, window or none", self.fusion)
        checks.whole("squeeze", self.squeeze, 0, MOST_DIM)
        at = (0,) if self.fusion_at is None else self.fusion_at
        some = isinstance(at, tuple) and 0 < len(set(at)) == len(at)
        checks.demand(some, "fusion_at", "different blocks", self.fusion_at)
        for block in at:
            checks.whole("fusion_at", block, 0, self.depth - 1)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.input_size // self.patch

    def recorded(self) -> dict[str, Any]:
        """Without what came later and is off: the file is what it was, and an older mien reads it."""
        off = {field.name: field.default for field in fields(self) if field.name in LATER}
        return {name: value for name, value in super().recorded().items() if name not in off or value != off[name]}

    @property
    def fused(self) -> Fusion:
        """How landmarks do come in."""
        return self.fusion if self.prompts else "none"

    @property
    def fused_at(self) -> tuple[int, ...]:
        """Blocks before which landmarks ask the tokens; none but for ``window``."""
        if self.fused != "window":
            return ()
        return tuple(sorted(self.fusion_at or {third * self.depth // 3 for third in range(3)}))

    @property
    def middle(self) -> int:
        """Number of the block in the middle, from 0: the last of the first half."""
        return max(self.depth // 2 - 1, 0)

    @classmethod
    def tiny(cls, classes: int) -> S2DConfig:
        """A small one with all parts of the image model, for tests."""
        return cls(28, 14, 32, 2, 2, classes=classes, dropout=0.0)

    def fits(self, side: int) -> bool:
        """Sides of whole patches, few enough for attention over them."""
        return side % self.patch == 0 and 0 < side <= MOST_GRID * self.patch

    @property
    def adapter_width(self) -> int:
        """Width inside a temporal adapter."""
        return round(self.dim * self.adapter_ratio)
