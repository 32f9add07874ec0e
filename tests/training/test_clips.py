"""One task for images and clips: what learns, what a batch is, what a run starts from and writes."""

import dataclasses
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.data.clip_transforms import STAGE2
from mien.data.datasets import find_dataset
from mien.data.manifest import Manifest
from mien.data.mixing import Mixing
from mien.data.synthetic import write_synthetic
from mien.models.cnn import Cnn, CnnConfig
from mien.models.net import parameter_groups
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.vit import VisionTransformer
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import load_model, make_config
from mien.training.labelled import LabelledRun, LabelledTask
from mien.training.loop import FitPlan, fit
from mien.training.recipe import ClipRecipe, FaceRecipe
from mien.training.sdl import SdlSettings
from mien.training.sources import Files
from mien.training.start import start_recognizer

FIT = FitPlan(epochs=2, batch=4, lr=1e-3, precision="fp32", accelerator="cpu", log_every=1)
VIDEO = ClipRecipe(model="s2d-micro", frames=2, temporal=True)
PLAIN = Preprocessing(crop_size=48, input_size=48)
LANDMARKS = "s2d-small"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of drawn faces, five expressions, in no folds."""
    folder = tmp_path_factory.mktemp("static")
    write_synthetic(folder, "static", train=12, valid=5, test=5, frames=4)
    find_dataset("synthetic").read(folder).save(folder)
    return folder


@pytest.fixture(scope="module")
def rows(data: Path) -> Manifest:
    return find_dataset("synthetic").read(data)


def task(rows: Manifest, recipe: ClipRecipe, seed: int = 0) -> LabelledTask:
    torch.manual_seed(0)
    recognizer = start_recognizer(*recipe.shape(), rows.labels, None, LANDMARKS, PLAIN)
    return LabelledTask(rows.select("train"), rows.select("valid"), recognizer, recipe, seed)


def test_stage_2_learns_what_the_paper_says() -> None:
    with torch.device("meta"):
        s2d = S2D(make_config("s2d-base", frames=16))
    s2d.learn_only("stage2")
    learning = [p for group in parameter_groups(s2d, 0.05, 1.0, 1.0) for p in group["params"]]
    assert sum(p.numel() for p in learning) == pytest.approx(9.258e6, rel=1e-4)
    assert sum(p.numel() for p in s2d.parameters()) == pytest.approx(95.056e6, rel=1e-5)


def test_frozen_parts_stay_and_the_others_move(rows: Manifest, tmp_path: Path) -> None:
    learner = task(rows, replace(VIDEO, learn="stage2"))
    net = learner.learner.net
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    fit(learner, FIT, tmp_path)
    moved = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not {name for name in moved if name.startswith(("backbone.blocks", "backbone.patch", "backbone.pos"))}
    assert {"temporal_embed", "head.weight", "adapters.0.token.up.weight", "backbone.norm.weight"} <= moved


def test_blocks_computed_twice_give_the_same_gradients(rows: Manifest) -> None:
    grads = []
    for again in (False, True):
        learner = task(rows, replace(VIDEO, checkpoint_blocks=again, drop_path=0.2))
        learner.module.train()
        batch = torch.utils.data.default_collate([learner.data[item, 0] for item in range(4)])
        torch.manual_seed(5)
        learner.loss(learner.module, batch, torch.Generator().manual_seed(0))["labels"].backward()
        grads.append({n: p.grad for n, p in learner.module.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, atol=1e-7, rtol=1e-5)


def test_an_item_depends_on_seed_and_draw_alone(rows: Manifest) -> None:
    recipe = replace(VIDEO, augmentation=STAGE2)
    one, same, other = (Files(rows, 48, 2, 1, recipe.augmentation, seed) for seed in (3, 3, 4))
    np.random.rand()  # noqa: NPY002 - global generators must not matter
    torch.rand(1)
    assert torch.equal(one[5, 17][0], same[5, 17][0])
    assert not torch.equal(one[5, 17][0], one[5, 18][0])
    assert not torch.equal(one[5, 17][0], other[5, 17][0])
    images, target, label, *_ = one[5, 17]
    assert images.shape == (2, 3, 48, 48)
    assert target.argmax() == label


@pytest.mark.parametrize("mode", ["anchors", "official"])
@pytest.mark.parametrize("mixing", [Mixing(0, 0, 0, 0), Mixing()])
def test_self_distillation_resumes_exactly(rows: Manifest, tmp_path: Path, mode: str, mixing: Mixing) -> None:
    sdl = SdlSettings(mode=mode, queue=2, top_k=1, schedule=((0, 0.5),), start_epoch=0)
    recipe = replace(VIDEO, frames=1, temporal=False, sdl=sdl, mixing=mixing)
    plan = replace(FIT, epochs=3, checkpoint_minutes=0, keep=20)
    fit(task(rows, recipe), plan, tmp_path / "whole")
    fit(task(rows, recipe), replace(plan, max_steps=4), tmp_path / "parts")
    fit(task(rows, recipe), plan, tmp_path / "parts", resume=True)
    states = [
        torch.load(tmp_path / name / "checkpoints/step-00000009.pt", weights_only=True) for name in ("whole", "parts")
    ]
    whole, parts = (state["module"] for state in states)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    filled = whole["terms.sdl.anchors.filled"]
    assert (filled > 0).any() == (mode == "anchors")


def test_a_run_writes_weights_that_know_where_they_come_from(rows: Manifest, tmp_path: Path) -> None:
    data = tmp_path / "data"
    replace(rows, rate=10.0).save(data)
    path = LabelledRun(data, tmp_path, name="mine", fit=FIT, recipe=VIDEO).run()
    record = load_model(path).record
    assert record.window == 0.2, "two frames of ten a second; use looks at as long a piece"
    assert (record.dataset, record.fold, record.protocol) == ("synthetic", 0, "clean")
    assert record.config["frames"] == 2
    assert record.frames == 2
    assert {"synthetic_valid_war", "synthetic_valid_uar", "synthetic_valid_ece"} == set(record.scores)
    assert (tmp_path / "run.json").is_file()


def test_the_official_protocol_is_judged_on_test_and_calibrated_on_nothing(data: Path, tmp_path: Path) -> None:
    run = LabelledRun(data, tmp_path, protocol="official", fit=FIT, recipe=VIDEO)
    _, held_out = run.rows()
    assert {row.split for row in held_out.rows} == {"test"}
    record = load_model(run.run()).record
    assert (record.protocol, record.temperature, record.threshold) == ("official", 1.0, 0.0)
    assert "synthetic_official_test_war" in record.scores


def test_mistakes_are_told_before_any_work(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fold of synthetic: 0"):
        LabelledRun(data, tmp_path, fold=3, recipe=VIDEO).run()
    with pytest.raises(ConfigError, match="video model"):
        ClipRecipe(learn="stage2")
    with pytest.raises(ConfigError, match="frames, rate and views"):
        ClipRecipe(frames=0)
    with pytest.raises(ConfigError, match=r"recipe\.model"):
        LabelledRun(data, tmp_path, fit=FIT).run()
    with pytest.raises(DataError, match="mien prepare"):
        LabelledRun(tmp_path, tmp_path, recipe=VIDEO).run()


@pytest.fixture(scope="module")
def image_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    labels = LabelSpace("three", ("neutral", "happiness", "boredom"))
    s2d = S2D(make_config("s2d-micro", classes=3, prompts=False))
    path = tmp_path_factory.mktemp("start") / "image.safetensors"
    save_weights(Recognizer(s2d, None, PLAIN), ModelRecord("image", labels, PLAIN, {}), path)
    return path


def test_weights_of_mien_keep_their_trunk_and_the_head_of_shared_labels(image_weights: Path) -> None:
    labels = LabelSpace("two", ("happiness", "awe"))
    recipe = ClipRecipe(prompts=False)
    got = start_recognizer(*recipe.shape(), labels, str(image_weights), LANDMARKS, replace(PLAIN, crop_size=96)).s2d
    old = load_file(image_weights)
    assert torch.equal(got.backbone.blocks[1].mlp.fc1.weight, old["s2d.backbone.blocks.1.mlp.fc1.weight"])
    assert torch.equal(got.head.weight[0], old["s2d.head.weight"][1])
    assert not torch.equal(got.head.weight[1], old["s2d.head.weight"][2])


def test_weights_of_another_shape_are_refused(image_weights: Path) -> None:
    with pytest.raises(ConfigError, match="the recipe's shape"):
        start_recognizer(
            *ClipRecipe(model="s2d-tiny", prompts=False).shape(),
            LabelSpace("x", ("a", "b")),
            str(image_weights),
            LANDMARKS,
            PLAIN,
        )
    with pytest.raises(ConfigError, match="prompts"):
        start_recognizer(*ClipRecipe().shape(), LabelSpace("x", ("a", "b")), str(image_weights), LANDMARKS, PLAIN)


def test_weights_of_another_network_are_refused(image_weights: Path, tmp_path: Path) -> None:
    labels, cnn = LabelSpace("x", ("a", "b", "c")), CnnConfig.tiny(3)
    small = replace(PLAIN, input_size=28)
    save_weights(Recognizer(Cnn(cnn), None, small), ModelRecord("cnn", labels, small, {}), tmp_path / "cnn.safetensors")
    other = str(tmp_path / "cnn.safetensors")
    for shape, start in (
        (ClipRecipe(model="s2d-micro").shape(), other),
        (FaceRecipe(model=cnn).shape(), str(image_weights)),
        (FaceRecipe(model=cnn).shape(), "s2d-tiny"),
    ):
        with pytest.raises(ConfigError, match="a network that the recipe trains"):
            start_recognizer(*shape, labels, start, LANDMARKS, PLAIN)
    assert start_recognizer(*ClipRecipe().shape(), labels, other, LANDMARKS, PLAIN).net.config == cnn


def test_a_recipe_names_any_network_and_asks_only_for_what_it_has() -> None:
    labels = LabelSpace("x", ("a", "b"))
    begun = start_recognizer(*ClipRecipe(model="cnn", dropout=0.1).shape(), labels, None, LANDMARKS, PLAIN)
    assert begun.net.config == CnnConfig(classes=2, dropout=0.1)
    for recipe, word in (
        (ClipRecipe(model="cnn", temporal=True), "temporal"),
        (ClipRecipe(model="cnn", drop_path=0.1), "drop-path"),
    ):
        with pytest.raises(ConfigError, match=word):
            start_recognizer(*recipe.shape(), labels, None, LANDMARKS, PLAIN)
    with pytest.raises(ConfigError, match="did you mean cnn"):
        ClipRecipe(model="cnm").shape()


def test_a_clip_lasts_as_long_in_use_as_in_training(rows: Manifest) -> None:
    paced = replace(rows, rate=25.0)
    assert replace(VIDEO, frames=16, rate=4).window(paced) == 2.56
    assert VIDEO.window(rows) is None, "a set that does not know its pace"
    assert ClipRecipe().window(paced) is None, "a model for which time does not count"


def test_the_video_model_starts_as_the_mean_of_the_image_model() -> None:
    labels = load_model().record.labels
    crops = torch.randint(0, 255, (2, 3, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    recipe = ClipRecipe(frames=3, temporal=True)
    video = start_recognizer(*recipe.shape(), labels, "s2d-small", LANDMARKS, PLAIN).eval()
    image = start_recognizer(*ClipRecipe().shape(), labels, "s2d-small", LANDMARKS, PLAIN).eval()
    with torch.inference_mode():
        torch.testing.assert_close(video(crops), image(crops), atol=1e-5, rtol=1e-5)
        changed = start_recognizer(*recipe.shape(), labels, "s2d-small", LANDMARKS, PLAIN, zero_init=False).eval()
        assert (changed(crops) - image(crops)).abs().max() > 1e-3


def test_a_plain_vit_starts_the_trunk(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trunk = VisionTransformer(48, 12, 64, 2, 4)
    save_file(trunk.state_dict(), tmp_path / "vit.safetensors")
    shape = ClipRecipe(model="s2d-micro").shape()
    s2d = start_recognizer(*shape, LabelSpace("x", ("a", "b")), str(tmp_path / "vit.safetensors"), LANDMARKS, PLAIN).s2d
    assert torch.equal(s2d.backbone.blocks[0].attn.qkv.weight, trunk.blocks[0].attn.qkv.weight)
    (tmp_path / "torn.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="torn"):
        start_recognizer(*shape, LabelSpace("x", ("a", "b")), str(tmp_path / "torn.safetensors"), LANDMARKS, PLAIN)


@pytest.mark.campaign
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_the_network_trains_alike_on_two_processes(tmp_path: Path, strategy: str) -> None:
    weights = []
    for name, flags in (("one", ()), ("two", ("--fit.devices", "2", "--fit.strategy", strategy))):
        command = ["train", "smoke", "--out", str(tmp_path / name), "--clips", "8", "--fit.epochs", "1", *flags]
        command += ["--fit.accelerator", "cpu", "--fit.precision", "fp32"]
        ran = subprocess.run([Path(sys.executable).with_name("mien"), *command], capture_output=True, timeout=300)
        assert ran.returncode == 0, ran.stderr.decode()[-2000:]
        weights.append(load_file(tmp_path / name / "smoke.safetensors"))
    for key, tensor in weights[0].items():
        # They are stored as float16.
        torch.testing.assert_close(weights[1][key].float(), tensor.float(), atol=2e-4, rtol=2e-3)


def test_a_recipe_is_stored_with_every_number(data: Path, tmp_path: Path) -> None:
    import json

    run = LabelledRun(data, tmp_path, name="mine", fit=replace(FIT, epochs=1), recipe=VIDEO)
    run.run()
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["fields"]["fit"] == dataclasses.asdict(run.fit)
    assert (facts["fold"], facts["protocol"], facts["data"]) == (0, "clean", str(data.resolve()))
