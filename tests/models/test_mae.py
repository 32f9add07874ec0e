"""The masked autoencoder: what is hidden stays hidden, what it learns loads as a backbone."""

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError
from mien.models.pretrain import (
    MaskedAutoencoder,
    MaskedAutoencoderConfig,
    patch_pixels,
    reconstruction_loss,
    sine_positions,
)
from mien.models.vit import VisionTransformer

TINY = MaskedAutoencoderConfig(32, 8, 48, 2, 4, decoder_dim=32, decoder_depth=1, decoder_heads=2)


@pytest.fixture
def mae() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(TINY).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.rand(3, 16, generator=torch.Generator().manual_seed(1))


def test_the_default_is_the_papers_vit_b() -> None:
    with torch.device("meta"):
        mae = MaskedAutoencoder(MaskedAutoencoderConfig())
    assert mae.config.visible == 49
    learned = sum(p.numel() for p in mae.parameters())
    assert learned + mae.decoder_positions.numel() == 111_907_840


@pytest.mark.parametrize(("share", "visible"), [(0.75, 4), (0.5, 8), (0.9, 1)])
def test_of_every_image_the_patches_with_the_least_noise_stay(
    images: torch.Tensor, noise: torch.Tensor, share: float, visible: int
) -> None:
    torch.manual_seed(0)
    config = MaskedAutoencoderConfig(32, 8, 48, 1, 4, 32, 1, 2, mask=share)
    _, hidden = MaskedAutoencoder(config)(images, noise)
    assert (~hidden).sum(1).tolist() == [visible] * 3
    for row, numbers in zip(hidden, noise, strict=True):
        assert numbers[~row].max() < numbers[row].min()


def test_the_encoder_never_sees_what_is_hidden(
    mae: MaskedAutoencoder, images: torch.Tensor, noise: torch.Tensor
) -> None:
    with torch.no_grad():
        before, hidden = mae(images, noise)
        pixels = patch_pixels(images, 8)
        pixels[hidden] = torch.randn_like(pixels[hidden])
        changed = torch.nn.functional.fold(pixels.transpose(1, 2), 32, 8, stride=8)
        after, _ = mae(changed, noise)
        pixels[~hidden] += 1
        seen, _ = mae(torch.nn.functional.fold(pixels.transpose(1, 2), 32, 8, stride=8), noise)
    assert torch.equal(before, after)
    assert not torch.allclose(before, seen)


def test_the_loss_is_over_hidden_patches_alone_and_zero_for_their_normalised_pixels(images: torch.Tensor) -> None:
    hidden = torch.zeros(3, 16, dtype=torch.bool)
    hidden[:, :5] = True
    pixels = patch_pixels(images, 8)
    right = (pixels - pixels.mean(-1, keepdim=True)) / (pixels.var(-1, keepdim=True) + 1e-6).sqrt()
    right[~hidden] = 1e3
    assert reconstruction_loss(right, images, hidden, 8).item() == pytest.approx(0, abs=1e-10)
    right[0, 0] += 1
    assert reconstruction_loss(right, images, hidden, 8).item() == pytest.approx(1 / 15, rel=1e-4)
    assert reconstruction_loss(right, 0.2 * images + 0.3, hidden, 8).item() == pytest.approx(1 / 15, rel=1e-2)


def test_patches_are_in_the_order_of_the_tokens() -> None:
    image = torch.zeros(1, 3, 16, 16)
    image[0, :, :8, 8:] = 1
    assert patch_pixels(image, 8).mean(-1).tolist() == [[0, 1, 0, 0]]
    tokens = VisionTransformer(16, 8, 8, 1, 1).patch_embed(image)
    assert (tokens[0] != tokens[0, 0]).any(1).tolist() == [False, True, False, False]


def test_positions_tell_columns_and_rows_apart() -> None:
    table = sine_positions(4, 16)[0]
    assert table.shape == (17, 16)
    assert not table[0].any()
    grid = table[1:].view(4, 4, 16)
    np.testing.assert_allclose(grid[2, 3, :8], grid[0, 3, :8])
    np.testing.assert_allclose(grid[2, 3, 8:], grid[2, 0, 8:])
    np.testing.assert_allclose(grid[0, 3, :4], np.sin(3 * 10_000 ** (-np.arange(4) / 4)), atol=1e-6)
    assert torch.cdist(table, table).add(10 * torch.eye(17)).min() > 0.1


def test_with_nothing_hidden_the_encoder_is_the_plain_trunk(mae: MaskedAutoencoder, images: torch.Tensor) -> None:
    trunk = VisionTransformer(32, 8, 48, 2, 4)
    trunk.load_state_dict(mae.encoder_state())
    everything = torch.arange(16).expand(3, 16)
    with torch.no_grad():
        torch.testing.assert_close(mae.encode(images, everything), trunk(images))


def test_the_decoder_puts_every_token_back_in_its_place(mae: MaskedAutoencoder, images: torch.Tensor) -> None:
    noise = torch.rand(1, 16, generator=torch.Generator().manual_seed(2))
    first = images[:1]
    order = noise.argsort(1)
    shuffled = torch.cat([order[:, :4].flip(1), order[:, 4:].flip(1)], dim=1)
    with torch.no_grad():
        one = mae.decode(mae.encode(first, order[:, :4]), order)
        other = mae.decode(mae.encode(first, shuffled[:, :4]), shuffled)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_positions_and_nothing_else_are_fixed(mae: MaskedAutoencoder) -> None:
    fixed = [name for name, p in mae.named_parameters() if not p.requires_grad]
    assert fixed == ["encoder.pos_embed"]


@pytest.mark.parametrize(
    "fields", [{"patch": 15}, {"dim": 770}, {"decoder_heads": 5}, {"mask": 0.0}, {"mask": 1.0}, {"mask": 0.999}]
)
def test_shapes_that_do_not_work_are_refused(fields: dict) -> None:
    with pytest.raises(ConfigError):
        MaskedAutoencoderConfig(**fields)
