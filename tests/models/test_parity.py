"""The networks give the released S2D code's numbers, through the converter a downloaded checkpoint takes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from official import CASES, official_checkpoint, uniform

from mien.models.convert import config_of, convert_state
from mien.models.landmarks import MobileFaceNet, fold, landmark_input
from mien.models.s2d import S2D, S2DConfig
from mien.models.temporal import TemporalAdapter

TOLERANCE = 1e-4


@pytest.mark.parametrize("salt", sorted(CASES))
def test_logits_features_blocks_and_landmark_map_equal_the_official_ones(salt: str) -> None:
    case = CASES[salt]
    state, _ = convert_state(official_checkpoint(case))
    config = replace(config_of(state), heads=case["num_heads"])
    assert (config.dim, config.depth, config.frames) == (case["embed_dim"], case["depth"], case["num_frames"])
    net, landmarks = S2D(config).eval(), MobileFaceNet().eval()
    net.load_state_dict({k: v for k, v in state.items() if not k.startswith("landmarks.")})
    part = {k.removeprefix("landmarks."): v for k, v in state.items() if k.startswith("landmarks.")}
    landmarks.load_state_dict(part, strict=False)  # the converter drops the batch norms' counters
    b, t = case["batch"], case["num_frames"]
    video = torch.from_numpy(4 * (uniform(salt + "video", (b, 3, t, 224, 224)) - 0.5)).float().transpose(1, 2)
    with torch.no_grad():
        points, landmark_map = landmarks(landmark_input(video.flatten(0, 1)))
        logits, feature, *_ = net(video, landmark_map)
        stats = block_statistics(net, video, landmark_map)
    want = case["landmark_feature"]
    assert list(landmark_map.shape) == want["shape"]
    assert landmark_map.mean().item() == pytest.approx(want["mean"], abs=TOLERANCE)
    assert landmark_map.std().item() == pytest.approx(want["std"], abs=TOLERANCE)
    np.testing.assert_allclose(landmark_map[0, :8, 7, 7], want["first8"], atol=TOLERANCE)
    np.testing.assert_allclose(points.flatten()[:8], case["landmark_points_first8"], atol=TOLERANCE)
    np.testing.assert_allclose(stats, case["block_output_mean_std"], atol=TOLERANCE)
    np.testing.assert_allclose(feature[:, :8], case["feature_first8"], atol=TOLERANCE)
    np.testing.assert_allclose(feature.norm(dim=1), case["feature_norm"], atol=TOLERANCE)
    np.testing.assert_allclose(logits, case["logits"], atol=TOLERANCE)


def block_statistics(net: S2D, video: torch.Tensor, landmark_map: torch.Tensor) -> list[tuple[float, float]]:
    stats: list[tuple[float, float]] = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: stats.append((out.mean().item(), out.std().item())))
        for block in net.backbone.blocks
    ]
    net.tokens(video.flatten(0, 1), landmark_map, video.shape[1])
    for hook in hooks:
        hook.remove()
    return stats


def count(module: torch.nn.Module, learning: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not learning)


def test_parameter_counts_are_the_papers() -> None:
    with torch.device("meta"):
        video = S2D(S2DConfig(frames=16))
        image = S2D(S2DConfig())
        landmarks = MobileFaceNet()
    video.learn_only("stage2")
    assert round(count(video) / 1e6, 3) == 95.056
    assert round(count(video, learning=True) / 1e6, 3) == 9.258
    assert round(count(image) / 1e6, 2) == 86.15
    assert round(count(landmarks) / 1e6, 3) == 1.007


def test_adapters_of_the_base_model_hold_the_papers_share() -> None:
    with torch.device("meta"):
        adapters = 12 * sum(p.numel() for p in TemporalAdapter(768).parameters())
    assert round(adapters / 1e6, 2) == 8.89


def test_folded_landmark_net_gives_the_same_points_and_map() -> None:
    torch.manual_seed(0)
    net = MobileFaceNet()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    net.eval()
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        for ours, plain in zip(fold(net)(faces), net(faces), strict=True):
            np.testing.assert_allclose(ours, plain, atol=1e-4)
