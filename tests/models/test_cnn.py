"""The plain CNN: what it learns, what its folded form answers, and that Grad-CAM of it is its class activation map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.explain.gradcam import GradCam
from mien.models.cnn import Cnn, CnnConfig, fold_cnn
from mien.models.net import parameter_groups
from mien.models.nets import NetConfig
from mien.models.record import ModelRecord, Preprocessing
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.models.zoo import LoadedModel, load_model

SIDE = 32
LABELS = LabelSpace("signs", ("rising", "falling"))
PIXELS = Preprocessing(SIDE, SIDE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def pictures(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """Noise, and a diagonal in the lower right corner that rises or falls."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (len(labels), 3, SIDE, SIDE), generator=rng, dtype=torch.uint8)
    sign = torch.eye(8, dtype=torch.uint8) * 200
    for image, label in zip(images, labels, strict=True):
        image[:, 22:30, 22:30] = sign if label else sign.flip(0)
    return images


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """Trained for seconds on signs in a corner."""
    torch.manual_seed(0)
    recognizer = Recognizer(Cnn(CnnConfig(SIDE, (16, 32, 32), 1, 2, 0.0)), None, PIXELS).train()
    optimizer = torch.optim.AdamW(parameter_groups(recognizer.net, 0.01, 1.0, 1.0), lr=3e-3)
    for step in range(120):
        labels = torch.randint(2, (32,), generator=torch.Generator().manual_seed(step))
        loss = F.cross_entropy(recognizer(pictures(labels, step)[:, None]), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    recognizer.eval().requires_grad_(False)
    record = ModelRecord("signs", LABELS, PIXELS, {"frames": None}, frames=2, network="cnn")
    return LoadedModel(recognizer, record)


def test_it_learns_what_is_to_be_learned(model: LoadedModel) -> None:
    labels = torch.arange(64) % 2
    found = model.probabilities(pictures(labels, 999)[:, None].numpy()).argmax(1)
    assert (found == labels.numpy()).mean() > 0.95


def test_folding_the_norms_changes_nothing(model: LoadedModel) -> None:
    net, frames = model.network.net, torch.randn(3, 2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for one, other in zip(net(frames), fold_cnn(net)(frames), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_grad_cam_is_the_class_activation_map(model: LoadedModel, label: int) -> None:
    """With a mean and one linear layer behind the map: w_k = W_ck / places (Selvaraju et al., section 3.1)."""
    net, images = model.network.net, pictures(torch.tensor([label, label]), 5)
    maps: list[torch.Tensor] = []
    with net.stages[-1].register_forward_hook(lambda _, __, output: maps.append(output)):
        model.logits(images[None].numpy())
    n, _, h, w = maps[0].shape
    wanted = torch.einsum("k,nkhw->nhw", net.head.weight[label], maps[0]).relu() / (n * h * w)
    found = GradCam().places(model, images.numpy(), label)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("label", [0, 1])
def test_grad_cam_peaks_where_the_sign_is(model: LoadedModel, label: int) -> None:
    values = GradCam().map(model, pictures(torch.tensor([label]), 7).numpy(), label)
    y, x = np.unravel_index(values[0].argmax(), values[0].shape)
    assert min(y, x) >= 18, (y, x)


def test_its_weights_name_it_and_load_again(model: LoadedModel, tmp_path) -> None:
    path = tmp_path / "signs.safetensors"
    save_weights(model.network, ModelRecord("signs", LABELS, PIXELS, {}), path)
    recognizer, record = load_weights(path)
    assert (record.network, record.is_image_model) == ("cnn", True)
    crops = pictures(torch.tensor([0, 1, 1]), 11)[None].numpy()
    np.testing.assert_allclose(load_model(path).logits(crops), model.logits(crops), atol=1e-5)
    assert all(name.startswith("cnn.") for name in recognizer.state_dict())


def test_a_shape_that_cannot_be_is_refused(tmp_path) -> None:
    for wrong in ({"widths": ()}, {"widths": (4,) * 7}, {"dropout": 2.0}, {"convolutions": 0}, {"input_size": 3}):
        with pytest.raises(ConfigError):
            CnnConfig(**wrong)  # type: ignore[arg-type]
    body = ModelRecord("x", LABELS, PIXELS, {"widths": [4], "input_size": 32, "classes": 2}, network="cnn").to_json()
    from mien.models.record import parse_record

    assert parse_record(body, "here", "").network == "cnn"
    for text in (body.replace('"cnn"', '"os:system"'), body.replace("[4]", "[4000000]")):
        with pytest.raises(WeightsError):
            parse_record(text, "here", "")


def test_a_shape_without_its_width_is_refused_where_it_is_written() -> None:
    with pytest.raises(ConfigError, match="Narrow without dim"):

        class Narrow(NetConfig):
            network = "narrow"
            input_size: int = 48
            classes: int = 7

    class Wide(CnnConfig):
        pass

    assert Wide().dim == 256
