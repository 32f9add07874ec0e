"""What the image and the video model owe each other, and which inputs they take."""

import pytest
import torch
import torch.nn.functional as F

from mien.core.errors import ConfigError
from mien.models.s2d import S2D, S2DConfig, to_video
from mien.models.temporal import resize_time
from mien.models.vit import VisionTransformer, resize_positions

SMALL = S2DConfig(input_size=56, patch=14, dim=64, depth=3, heads=4, classes=5)


@pytest.fixture
def image_model() -> S2D:
    torch.manual_seed(0)
    return S2D(SMALL).eval()


def clip(b: int = 2, t: int = 4, size: int = 56) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(b, t, 3, size, size, generator=rng), torch.randn(b * t, 128, 14, 14, generator=rng)


@torch.no_grad()
def test_fresh_video_model_gives_the_mean_of_the_image_models_features(image_model: S2D) -> None:
    video_model = to_video(image_model, frames=4).eval()
    video, maps = clip()
    logits, feature, *_ = video_model(video, maps)
    each = [image_model(video.flatten(0, 1)[i : i + 1, None], maps[i : i + 1])[1] for i in range(8)]
    mean = torch.cat(each).view(2, 4, -1).mean(1)
    torch.testing.assert_close(feature, mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, image_model.head(mean), atol=1e-5, rtol=0)


@torch.no_grad()
def test_constant_clip_gives_the_image_models_logits(image_model: S2D) -> None:
    video_model = to_video(image_model, frames=4).eval()
    video, maps = clip(b=1, t=1)
    still = image_model(video, maps)[0]
    moving = video_model(video.expand(1, 4, -1, -1, -1), maps.expand(4, -1, -1, -1))[0]
    torch.testing.assert_close(moving, still, atol=1e-6, rtol=0)


@torch.no_grad()
def test_without_zero_init_the_adapters_act_and_frame_order_matters(image_model: S2D) -> None:
    torch.manual_seed(2)
    video_model = to_video(image_model, frames=4, zero_init=False).eval()
    video, maps = clip()
    forward = video_model(video, maps)[0]
    backward = video_model(video.flip(1), maps.view(2, 4, 128, 14, 14).flip(1).flatten(0, 1))[0]
    assert (forward - image_model(video, maps)[0]).abs().max() > 1e-3
    assert (forward - backward).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize(("frames", "size"), [(1, 56), (7, 56), (4, 42), (4, 98)])
def test_other_clip_lengths_and_input_sizes_work(image_model: S2D, frames: int, size: int) -> None:
    video_model = to_video(image_model, frames=4, zero_init=False).eval()
    logits, feature, *_ = video_model(*clip(t=frames, size=size))
    assert logits.shape == (2, 5)
    assert feature.shape == (2, 64)
    assert torch.isfinite(logits).all()


@torch.no_grad()
def test_computing_only_the_class_token_at_last_changes_nothing(image_model: S2D) -> None:
    video, maps = clip()
    whole = image_model.tokens(video.flatten(0, 1), maps, 4)
    only = image_model.tokens(video.flatten(0, 1), maps, 4, last=1)
    assert only.shape[1] == 1
    torch.testing.assert_close(only[:, 0], whole[:, 0], atol=1e-5, rtol=0)


def test_input_off_the_patch_grid_is_refused(image_model: S2D) -> None:
    with pytest.raises(ConfigError, match="multiple of 14"):
        image_model(*clip(size=50))


@pytest.mark.parametrize("wrong", [{"input_size": 50}, {"heads": 5}, {"frames": 0}, {"frames": 4, "prompts": False}])
def test_contradicting_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        S2DConfig(**{**SMALL.__dict__, **wrong})


@torch.no_grad()
def test_the_prompters_bring_the_landmark_map_in(image_model: S2D) -> None:
    video, maps = clip()
    with_face = image_model(video, maps)[0]
    assert (with_face - image_model(video, maps.flip(-1))[0]).abs().max() > 1e-4


def test_positions_survive_a_round_trip_through_a_finer_grid() -> None:
    line = torch.linspace(0, 1, 8)
    smooth = (line.view(8, 1) + 2 * line.view(1, 8)).reshape(1, 64, 1)
    table = torch.cat([torch.full((1, 1, 1), 9.0), smooth], dim=1)
    assert resize_positions(table, 8) is table
    back = resize_positions(resize_positions(table, 16), 8)
    assert back[0, 0] == 9.0
    torch.testing.assert_close(back, table, atol=0.08, rtol=0)


def test_plain_vit_has_timms_names() -> None:
    names = set(VisionTransformer(28, 14, 32, 1, 2).state_dict())
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.bias"} <= names
    assert {"blocks.0.norm1.weight", "blocks.0.mlp.fc1.weight", "blocks.0.attn.proj.bias"} <= names


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 16])
def test_the_temporal_embedding_is_interpolated_end_on_end(frames: int) -> None:
    table = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(table.transpose(1, 2), size=frames, mode="linear", align_corners=True).transpose(1, 2)
    torch.testing.assert_close(resize_time(table, frames), expected, atol=1e-6, rtol=0)
    assert frames != 4 or torch.equal(resize_time(table, 4), table)
