"""Weights files: they come back as they were, say what they are, and a wrong one is refused in words."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from official import CASES, official_checkpoint

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LABEL_SPACES
from mien.models.convert import convert_checkpoint, convert_key
from mien.models.figures import keep_figures
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing, read_record
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.models.zoo import LoadedModel, load_model, make_config

CONFIG = S2DConfig(input_size=28, patch=14, dim=32, depth=2, heads=2, classes=8)
PLAN = Preprocessing(crop_size=24, input_size=28, colour="grey")
RECORD = ModelRecord("toy", LABEL_SPACES["ferplus"], PLAN, {}, temperature=1.7, threshold=0.4, scores={"war": 0.5})


@pytest.fixture
def recognizer() -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(S2D(CONFIG), MobileFaceNet(), PLAN).eval()


def crops(b: int = 2, t: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (b, t, 3, 24, 24), dtype=np.uint8)


def test_saved_weights_come_back_with_their_record(recognizer: Recognizer, tmp_path: Path) -> None:
    written = save_weights(recognizer, RECORD, tmp_path / "toy.safetensors")
    loaded, record = load_weights(tmp_path / "toy.safetensors")
    assert record == written
    assert (record.labels, record.preprocessing, record.temperature) == (RECORD.labels, PLAN, 1.7)
    assert record.parameters == sum(p.numel() for p in recognizer.parameters())
    with torch.no_grad():
        batch = torch.from_numpy(crops())
        torch.testing.assert_close(loaded(batch), recognizer(batch))


def test_a_weights_file_is_as_open_to_others_as_any_new_file(recognizer: Recognizer, tmp_path: Path) -> None:
    save_weights(recognizer, RECORD, tmp_path / "a.safetensors")
    (tmp_path / "b.txt").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "a.safetensors", tmp_path / "b.txt")}
    assert len(modes) == 1


def test_half_precision_halves_the_file_and_keeps_the_answer(recognizer: Recognizer, tmp_path: Path) -> None:
    save_weights(recognizer, RECORD, tmp_path / "full.safetensors")
    save_weights(recognizer, RECORD, tmp_path / "half.safetensors", torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * (tmp_path / "full.safetensors").stat().st_size
    answers = [load_model(tmp_path / f"{name}.safetensors").probabilities(crops()) for name in ("full", "half")]
    np.testing.assert_allclose(*answers, atol=2e-3)


def test_probabilities_are_calibrated_and_sum_to_one(recognizer: Recognizer) -> None:
    warm = LoadedModel(recognizer, RECORD).probabilities(crops())
    plain = LoadedModel(recognizer, replace(RECORD, temperature=1.0)).probabilities(crops())
    np.testing.assert_allclose(warm.sum(1), 1)
    logits = LoadedModel(recognizer, RECORD).logits(crops())
    np.testing.assert_allclose(np.log(warm / warm[:, :1]), (logits - logits[:, :1]) / 1.7, atol=1e-6)
    np.testing.assert_allclose(warm, plain ** (1 / 1.7) / (plain ** (1 / 1.7)).sum(1, keepdims=True), atol=1e-6)


def test_colour_is_ignored_by_a_grey_model(recognizer: Recognizer) -> None:
    grey = np.repeat(crops()[:, :, :1], 3, axis=2)
    tinted = grey.copy()
    tinted[:, :, 0] = np.clip(grey[:, :, 0].astype(int) + 30, 0, 255)
    luma = (0.299 * tinted[:, :, 0] + 0.587 * tinted[:, :, 1] + 0.114 * tinted[:, :, 2])[:, :, None]
    model = LoadedModel(recognizer, RECORD)
    as_grey = np.repeat(np.rint(luma), 3, axis=2).astype(np.uint8)
    np.testing.assert_allclose(model.probabilities(tinted), model.probabilities(as_grey), atol=2e-3)


def test_figures_lie_beside_the_weights_which_stay_as_they_are(recognizer: Recognizer, tmp_path: Path) -> None:
    path, other = tmp_path / "toy.safetensors", tmp_path / "other.safetensors"
    before = save_weights(recognizer, RECORD, path)
    content = path.read_bytes()
    keep_figures(path, "toy", before.sha256, {"uar": 0.3})
    keep_figures(path, "toy", before.sha256, {"uar": 0.4})
    assert read_record(path).scores == {"war": 0.5, "uar": 0.4}
    assert path.read_bytes() == content
    save_weights(recognizer, replace(RECORD, name="other"), other)
    assert read_record(other).scores == {"war": 0.5}, "figures are those of one file"


@pytest.mark.parametrize(
    "text", ["[]", '{"a": 1}', '{"a": {"scores": {"x": "much"}}}', '{"a": {"scores": {"x": NaN}}}', "{"]
)
def test_figures_that_are_none_are_told(recognizer: Recognizer, tmp_path: Path, text: str) -> None:
    path = tmp_path / "toy.safetensors"
    save_weights(recognizer, RECORD, path)
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(WeightsError, match=r"figures\.json"):
        read_record(path)


@pytest.mark.parametrize("cut", [0, 4, 100, -10])
def test_a_torn_file_is_refused(recognizer: Recognizer, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "toy.safetensors"
    save_weights(recognizer, RECORD, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match="expected"):
        load_model(path)


def test_tensors_that_do_not_fit_the_record_are_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    save_weights(recognizer, RECORD, path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'\\"depth\\": 2', b'\\"depth\\": 3'))
    assert path.read_bytes() != data
    with pytest.raises(WeightsError, match="fit the record"):
        load_model(path)


def test_a_wrong_name_gets_a_hint_and_a_wrong_path_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean|use one of"):
        load_model("s2d-smal")
    with pytest.raises(WeightsError, match="no file"):
        load_model(tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match="0 in"):
        load_model(tmp_path)
    with pytest.raises(ConfigError, match="revision"):
        load_model("hf://someone/something")


def test_a_configuration_takes_changes_by_name() -> None:
    assert make_config("s2d-base", frames=16).frames == 16
    with pytest.raises(ConfigError, match="s2d-base"):
        make_config("s2d-bas")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("released") / "mafw.pth"
    torch.save({"model": official_checkpoint(CASES["b."]), "epoch": 3}, path)
    return path


def test_a_released_checkpoint_becomes_weights_that_load(checkpoint: Path, tmp_path: Path) -> None:
    conversion = convert_checkpoint(checkpoint, tmp_path)
    assert dict(conversion.key_map)["prompt_blocks.3.conv0_1.weight"] == "prompters.3.landmark.weight"
    model = load_model(conversion.path)
    assert model.record.labels.name == "mafw"
    assert model.network.s2d.config.frames == 4
    assert model.probabilities(np.zeros((1, 4, 3, 224, 224), np.uint8)).shape == (1, 11)


def test_an_image_checkpoint_is_told_from_a_video_one(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    still = {k: v for k, v in state.items() if "TMA" not in k and k != "temporal_embedding"}
    image = {k.replace("ln_post.", "norm."): v for k, v in still.items()}
    image["weak_head.weight"] = torch.zeros(3)
    path = tmp_path / "image.pth"
    torch.save({"model_state_dict": image}, path)
    conversion = convert_checkpoint(path, tmp_path)
    assert dict(conversion.key_map)["weak_head.weight"] == ""
    assert load_model(conversion.path).network.s2d.config.frames is None


@pytest.mark.parametrize("width", [32, 64, 24])
def test_the_width_of_the_adapters_is_read_off_the_checkpoint(checkpoint: Path, tmp_path: Path, width: int) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    dim = state["cls_token"].shape[-1]
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng) / shape[-1] ** 0.5

    for name in [name for name in state if "TMA." in name and ".TMA.norm." not in name]:
        part = name.partition("TMA.")[2].split(".", 1)[1]
        state[name] = {
            "D_fc1.weight": drawn(width, dim),
            "D_fc1.bias": drawn(width),
            "D_fc2.weight": drawn(dim, width),
            "D_fc2.bias": drawn(dim),
            "attn.qkv.weight": drawn(3 * width, width),
            "attn.proj.weight": drawn(width, width),
            "attn.proj.bias": drawn(width),
        }[part]
    torch.save({"model": state}, tmp_path / "wide.pth")
    conversion = convert_checkpoint(tmp_path / "wide.pth", tmp_path)
    assert conversion.record.config["adapter_ratio"] == width / dim
    fast, plain = load_model(conversion.path), load_model(conversion.path, folded=False)
    assert plain.network.s2d.adapters[0].temporal.down.weight.shape == (width, dim)
    clips = np.random.default_rng(0).integers(0, 256, (1, 4, 3, 224, 224), dtype=np.uint8)
    np.testing.assert_allclose(fast.logits(clips), plain.logits(clips), atol=1e-4)


def test_an_adapter_that_its_heads_cannot_share_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    name = "prompt_blocks.0.TMA.T_Adapter.D_fc1.weight"
    torch.save({"model": state | {name: state[name][:12]}}, tmp_path / "odd.pth")
    with pytest.raises(ConfigError, match="multiple of 8"):
        convert_checkpoint(tmp_path / "odd.pth", tmp_path)


def test_a_damaged_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    torch.save({"model": state | {"cls_token": state["cls_token"] * float("nan")}}, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match="NaN or infinity"):
        convert_checkpoint(tmp_path / "nan.pth", tmp_path)
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bit.pth").write_bytes(data)
    with pytest.raises(WeightsError, match="not as it was written"):
        convert_checkpoint(tmp_path / "bit.pth", tmp_path)
    with pytest.raises(ConfigError, match="plain name"):
        convert_checkpoint(checkpoint, tmp_path / "out", name="../escaped")
    assert not list(tmp_path.glob("*.safetensors"))


def test_wrong_checkpoints_are_refused_in_words(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["model"]
    cases = {
        "stranger": (state | {"fpn.weight": torch.zeros(1)}, "fpn.weight"),
        "missing": ({k: v for k, v in state.items() if k != "blocks.2.norm1.bias"}, "blocks.2.norm1.bias"),
        "shape": (state | {"blocks.0.mlp.fc1.bias": torch.zeros(3)}, "fc1.bias"),
        "no landmark net": ({k: v for k, v in state.items() if "landmark" not in k}, "landmark net"),
        "not tensors": ({"lr": 0.1}, "no dictionary of tensors"),
    }
    for name, (content, reason) in cases.items():
        path = tmp_path / f"{name}.pth"
        torch.save({"model": content}, path)
        with pytest.raises(WeightsError, match=reason):
            convert_checkpoint(path, tmp_path / "out")
    torn = tmp_path / "torn.pth"
    torn.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="torn"):
        convert_checkpoint(torn, tmp_path / "out")
    with pytest.raises(ConfigError, match="dfew"):
        convert_checkpoint(checkpoint, tmp_path / "out", labels="dfew")
    assert not (tmp_path / "out").exists()


def test_an_unknown_parameter_has_no_silent_place() -> None:
    assert convert_key("module.blocks.11.attn.qkv.bias") == "backbone.blocks.11.attn.qkv.bias"
    with pytest.raises(WeightsError):
        convert_key("decoder.blocks.0.attn.qkv.bias")


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="no mien record"):
        read_record(path)
