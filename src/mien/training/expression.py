"""Stage 1 on FERPlus: fine-tune the S2D image model on single faces, crowd votes as soft labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from mien.core.errors import DataError
from mien.data.ferplus import FerPlusSplit, read_ferplus
from mien.data.transforms import Augmentation, augment, mixup
from mien.models.landmarks import MobileFaceNet, fold
from mien.models.preprocess import normalise
from mien.models.record import Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.vit import resize_positions
from mien.models.weights import Recognizer


@dataclass(frozen=True)
class ExpressionRecipe:
    """What the image model is and what it is shown.

    Attributes:
        model: its shape.
        augmentation: changes of the faces.
        majority_only: train on the rows that pass the majority rule; else on every row with a vote.
        mixup: alpha of mixup; 0 turns it off.
        sizes: input size of each epoch while training, the last one for the epochs after; small early epochs cost less
            and the position table is resampled on the fly. Empty: the model's own.
        prompt_rate: share of the learning rate that prompters get; their output must not outgrow the trunk's tokens.
        layer_decay: the learning rate falls by this factor per block from the head down.
    """

    model: S2DConfig = S2DConfig(98, 14, 384, 8, 6, classes=8, dropout=0.0, drop_path=0.05)
    augmentation: Augmentation = Augmentation(
        rotation=12, scale=0.15, shift=0.06, stretch=0.06, flip=0.5,
        brightness=0.1, contrast=0.25, gamma=0.25, noise=0.02, blur=0.1, erase=0.25, erase_area=0.15,
    )  # fmt: skip
    majority_only: bool = True
    mixup: float = 0.0
    sizes: tuple[int, ...] = (70, 70, 70, 84, 98)
    prompt_rate: float = 0.1
    layer_decay: float = 0.6

    @property
    def preprocessing(self) -> Preprocessing:
        """How crops become the model's input, in training and in use."""
        return Preprocessing(crop_size=48, input_size=self.model.input_size, colour="grey")


class ExpressionTask:
    """Images, votes and the image model.

    Args:
        data: the FERPlus ``.npz``.
        recipe: model and augmentation.
        landmarks: the frozen landmark net; None only for a model without prompts.
        backbone: initial ViT weights (safetensors, timm names); None starts from random numbers.
    """

    def __init__(
        self, data: Path, recipe: ExpressionRecipe, landmarks: MobileFaceNet | None, backbone: Path | None
    ) -> None:
        self.recipe = recipe
        self.plan = recipe.preprocessing
        self.split = read_ferplus(data, "train", recipe.majority_only)
        self.images = torch.from_numpy(self.split.images)[:, None]
        self.targets = torch.from_numpy(self.split.targets)
        self.held_out = read_ferplus(data, "valid")
        self.items = len(self.split)
        self.start_epoch(0)
        s2d = S2D(recipe.model)
        if backbone is not None:
            load_backbone(s2d, backbone)
        self.recognizer = Recognizer(s2d, None if landmarks is None else fold(landmarks), self.plan)
        self.module: nn.Module = s2d

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch's input size."""
        sizes = self.recipe.sizes
        self.size = sizes[min(epoch, len(sizes) - 1)] if sizes else self.plan.input_size

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """One group per depth of the backbone, one for the head, one for the prompters: see :func:`layer_groups`."""
        recipe = self.recipe
        return layer_groups(self.recognizer.s2d, weight_decay, recipe.layer_decay, recipe.prompt_rate)

    def loss(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Cross-entropy against the votes."""
        grey = augment(self.images[rows].float() / 255, self.size, self.recipe.augmentation, rng)
        grey, targets = mixup(grey, self.targets[rows], self.recipe.mixup, rng)
        frames = normalise(grey.expand(-1, 3, -1, -1), self.plan)
        logits = self.recognizer.logits(frames[:, None])
        return F.cross_entropy(logits.float(), targets)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Accuracy and loss on the validation split (majority rule); the accuracy is the score."""
        module.eval()
        recognizer = Recognizer(module, self.recognizer.landmarks, self.plan)  # type: ignore[arg-type]
        logits = predict(recognizer, self.held_out)
        targets = torch.from_numpy(self.held_out.targets)
        accuracy = (logits.argmax(1).numpy() == self.held_out.labels).mean()
        return {"score": float(accuracy), "loss": F.cross_entropy(logits, targets).item()}


def predict(recognizer: Recognizer, split: FerPlusSplit, flip: bool = False, batch: int = 128) -> Float[Tensor, "n c"]:
    """Logits of a split's images through the path use takes; ``flip`` averages with the mirrored image."""
    outs = []
    for images in torch.from_numpy(split.images).split(batch):  # type: ignore[no-untyped-call]
        clips = images[:, None, None].expand(-1, 1, 3, -1, -1)
        with torch.inference_mode():
            logits = recognizer(clips)
            if flip:
                logits = (logits + recognizer(clips.flip(-1))) / 2
        outs.append(logits.float())
    return torch.cat(outs)


def load_backbone(s2d: S2D, path: Path) -> None:
    """Initial ViT weights with timm names into the trunk: the first blocks of a deeper one, positions resampled.

    Raises:
        DataError: missing, or of another width or patch.
    """
    if not path.is_file():
        raise DataError("a .safetensors file with ViT weights (timm names)", f"no file at {path}", "check the path")
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    own = s2d.backbone.state_dict()
    state["pos_embed"] = resize_positions(state["pos_embed"], s2d.config.grid)
    kept = {name: tensor for name, tensor in state.items() if name in own}
    wrong = sorted(own.keys() - kept.keys()) or [k for k in own if own[k].shape != kept[k].shape]
    if wrong:
        raise DataError(
            "weights that fit the model", f"{path}: not for {', '.join(wrong[:3])}", "change the model's shape"
        )
    s2d.backbone.load_state_dict(kept)


def layer_groups(s2d: S2D, weight_decay: float, layer_decay: float, prompt_rate: float) -> list[dict[str, Any]]:
    """Optimizer groups by depth: block i's rate is scaled by ``layer_decay`` ** (depth - i), embeddings by one more.

    The last norm and the head learn at the full rate, everything of the prompts at ``prompt_rate`` of it.
    """
    trunk, depth = s2d.backbone, s2d.config.depth
    prompts = [p for name, p in s2d.named_parameters() if name.startswith(("prompt", "landmark_embed"))]
    layers = [[*trunk.patch_embed.parameters(), trunk.cls_token, trunk.pos_embed]]
    layers += [list(block.parameters()) for block in trunk.blocks]
    layers += [[*trunk.norm.parameters(), *s2d.head.parameters()], prompts]
    scales = [layer_decay ** (depth + 1 - i) for i in range(depth + 2)] + [prompt_rate]
    groups: list[dict[str, Any]] = []
    for params, scale in zip(layers, scales, strict=True):
        groups.append({"params": [p for p in params if p.ndim == 2], "weight_decay": weight_decay, "scale": scale})
        groups.append({"params": [p for p in params if p.ndim != 2], "weight_decay": 0.0, "scale": scale})
    return [group for group in groups if group["params"]]
