"""Pre-training end to end on made-up pictures: read, learn, write, start a model from it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.clip_transforms import ClipAugmentation
from mien.data.manifest import Manifest, Row
from mien.models.pretrain import MaskedAutoencoder, MaskedAutoencoderConfig
from mien.models.s2d import S2D, S2DConfig
from mien.models.vit import VisionTransformer, resize_positions
from mien.training.loop import FitPlan
from mien.training.pretrain import FIT, CropItems, PretrainRecipe, PretrainRun, PretrainTask, region_patches
from mien.training.start import load_backbone
from mien.training.unlabelled import open_crops

TINY = MaskedAutoencoderConfig(32, 8, 48, 2, 4, decoder_dim=32, decoder_depth=1, decoder_heads=2)
RECIPE = PretrainRecipe(TINY)
QUICK = FitPlan(epochs=1, batch=8, lr=1e-3, precision="fp32", ema=0.0)


def picture(number: int, size: int = 40) -> np.ndarray:
    """A smooth pattern of its own for every number, RGB."""
    rng = np.random.default_rng(number)
    return cv2.resize(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        path = tmp_path / "faces" / f"person {number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(number)[..., ::-1])
    return tmp_path / "faces"


def silent(text: str) -> None:
    raise AssertionError(text)


def test_the_recipe_is_the_papers() -> None:
    assert FIT.peak_lr == pytest.approx(1.5e-4)
    assert replace(FIT, batch=4096).peak_lr == pytest.approx(2.4e-3)
    assert (FIT.epochs, round(FIT.warmup * 300), FIT.weight_decay, FIT.beta1, FIT.beta2) == (300, 40, 0.05, 0.9, 0.95)
    assert PretrainRecipe().model.mask == 0.75


def test_a_folder_is_searched_and_what_cannot_be_read_is_reported(folder: Path) -> None:
    (folder / "person 0" / "torn.png").write_bytes((folder / "person 0" / "0.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("no picture")
    problems: list[str] = []
    crops = open_crops(folder, 0, problems.append)
    assert len(crops) == 12
    assert len(problems) == 1
    assert "torn.png is left out" in problems[0]
    np.testing.assert_array_equal(crops.read(0, 0.0), picture(0).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["gone", "empty", "list.csv"])
def test_places_without_pictures_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("a,b")
    with pytest.raises(DataError, match="pictures"):
        open_crops(tmp_path / name, 0, silent)


def test_of_a_prepared_set_only_training_items_are_seen(tmp_path: Path) -> None:
    rows = []
    for number, split in enumerate(["train", "train", "test", "valid", "train"]):
        frames = tmp_path / "raw" / str(number)
        frames.mkdir(parents=True)
        for frame in range(4):
            flat = np.full((40, 40, 3), 50 * number + 10 * frame, np.uint8)
            cv2.imwrite(str(frames / f"{frame:03d}.png"), flat)
        rows.append(Row(str(number), f"raw/{number}", "frames", "", split, fold=2))
    Manifest("mine", LABEL_SPACES["dfew"], tuple(rows), tmp_path).save(tmp_path)
    crops = open_crops(tmp_path, 2, silent)
    assert len(crops) == 3
    seen = [int(crops.read(item, share)[0, 0, 0]) for item in range(3) for share in (0.0, 0.5, 0.99)]
    assert seen == [0, 20, 30, 50, 70, 80, 200, 220, 230]
    with pytest.raises(DataError, match="fold 0"):
        open_crops(tmp_path, 0, silent)


def test_the_ferplus_archive_gives_its_training_faces(tmp_path: Path) -> None:
    votes = 10 * np.eye(10, dtype=np.uint8)[:4]
    faces = np.stack([np.full((48, 48), level, np.uint8) for level in range(4)])
    np.savez(tmp_path / "faces.npz", train_images=faces, train_votes=votes)
    crops = open_crops(tmp_path / "faces.npz", 0, silent)
    assert len(crops) == 4
    assert (crops.read(2, 0.0) == np.full((3, 48, 48), 2)).all()


def test_an_item_depends_on_its_draw_alone(folder: Path) -> None:
    crops = open_crops(folder, 0, silent)
    items = CropItems(crops, list(range(12)), RECIPE, 0)
    again = CropItems(crops, list(range(12)), RECIPE, 0)
    again[(5, 1)]
    for one, other in zip(items[(3, 7)], again[(3, 7)], strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(items[(3, 7)][0], items[(3, 8)][0])
    assert not torch.equal(items[(3, 7)][1], items[(3, 8)][1])
    assert not torch.equal(CropItems(crops, list(range(12)), RECIPE, 1)[(3, 7)][1], items[(3, 7)][1])


def test_held_out_crops_are_never_trained_on_and_are_judged_alike_every_time(folder: Path) -> None:
    torch.manual_seed(0)
    task = PretrainTask(open_crops(folder, 0, silent), replace(RECIPE, held_out=3))
    assert task.items + len(task.held_out) == 12
    assert not set(task.held_out) & set(task.data.numbers)
    first, second = task.validate(task.module), task.validate(task.module)
    assert first == second
    assert first["score"] == -first["loss"]


def test_every_learning_parameter_is_in_one_group(folder: Path) -> None:
    task = PretrainTask(open_crops(folder, 0, silent), RECIPE)
    decayed, free = task.groups(0.05)
    names = {id(p): name for name, p in task.module.named_parameters()}
    assert {names[id(p)] for p in decayed["params"] + free["params"]} == set(names.values()) - {"encoder.pos_embed"}
    assert all(names[id(p)].endswith("weight") for p in decayed["params"])
    assert {"mask_token", "encoder.cls_token", "encoder.norm.weight"} <= {names[id(p)] for p in free["params"]}


def test_it_learns_to_paint_in_eight_pictures(folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = MaskedAutoencoderConfig(48, 16, 64, 2, 4, decoder_dim=64, decoder_depth=1, decoder_heads=4, mask=0.5)
    recipe = PretrainRecipe(model, ClipAugmentation())
    task = PretrainTask(open_crops(folder, 0, silent), recipe)
    optimizer = torch.optim.AdamW(task.groups(0.0), lr=2e-3, betas=(0.9, 0.95), foreach=True)
    rng = torch.Generator().manual_seed(0)
    losses = []
    for step in range(400):
        images, noise = zip(*(task.data[(item, 8 * step + item)] for item in range(8)), strict=True)
        (loss,) = task.loss(task.module, (torch.stack(images), torch.stack(noise)), rng).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[:5]) > 0.8
    assert np.mean(losses[-20:]) < 0.25 * np.mean(losses[:5])


def test_a_run_writes_an_encoder_that_starts_a_model(folder: Path, tmp_path: Path) -> None:
    lines: list[dict] = []
    run = PretrainRun(folder, tmp_path / "run", fit=QUICK, recipe=RECIPE)
    path = run.run(lines.append)
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["pretrain"])
    assert facts["config"]["dim"] == 48
    assert facts["crops"] == 12
    assert facts["figures"]["loss"] > 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["fields"]["recipe"]["model"]["mask"] == 0.75
    s2d = S2D(S2DConfig(32, 8, 48, 2, 4, prompts=False)).eval()
    load_backbone(s2d, path)
    mae = MaskedAutoencoder(TINY)
    mae.load_state_dict(torch.load(tmp_path / "run" / "best.pt", weights_only=True)["module"])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = mae.eval().encode(images, torch.arange(16).expand(2, 16))
        torch.testing.assert_close(s2d.backbone(images), tokens)
    untrained = MaskedAutoencoder(TINY).encoder_state()
    assert any(not torch.equal(untrained[name], p) for name, p in s2d.backbone.state_dict().items() if "bias" in name)


def test_loading_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    weights = []
    for workers in (0, 2):
        run = PretrainRun(folder, tmp_path / str(workers), fit=replace(QUICK, workers=workers), recipe=RECIPE)
        weights.append(run.run().read_bytes())
    assert weights[0] == weights[1]


def test_masks_by_parts_hide_whole_regions_and_as_many_patches(folder: Path) -> None:
    model = MaskedAutoencoderConfig(112, 14, 48, 1, 4, decoder_dim=32, decoder_depth=1, decoder_heads=2)
    plain = PretrainRecipe(model, ClipAugmentation())
    crops = open_crops(folder, 0, silent)
    items = {way: CropItems(crops, [0], replace(plain, masking=way), 0) for way in ("random", "parts")}
    regions, net = region_patches(model.grid), MaskedAutoencoder(model).eval()
    whole = {"random": 0.0, "parts": 0.0}
    for way, one in items.items():
        noise = torch.stack([one[0, draw][1] for draw in range(40)])
        with torch.no_grad():
            hidden = net(torch.zeros(40, 3, 112, 112), noise)[1]
        assert (hidden.sum(1) == model.grid**2 - model.visible).all()
        whole[way] = (hidden[:, None] | ~regions).all(2).float().mean().item()
        assert torch.equal(noise, torch.stack([one[0, draw][1] for draw in range(40)])), "seeded by the draw"
    assert whole["parts"] > whole["random"] + 0.15
    assert torch.equal(items["random"][0, 3][1], CropItems(crops, [0], plain, 0)[0, 3][1])


def test_regions_of_patches_lie_where_the_face_has_them() -> None:
    rows = torch.arange(8.0).repeat_interleave(8)
    brows, eyes, nose, cheeks, mouth, chin = ((one * rows).sum() / one.sum() for one in region_patches(8))
    assert brows < eyes < nose < mouth < chin
    assert eyes < cheeks < chin


def test_it_begins_as_another_vit_and_says_which_does_not_fit(folder: Path, tmp_path: Path) -> None:
    """The first blocks of a deeper one, its positions resampled: after a step of no length that is what is written."""
    torch.manual_seed(3)
    deeper = VisionTransformer(48, 8, 48, 3, 4)
    start, stop = tmp_path / "vit.safetensors", replace(QUICK, max_steps=1, lr=1e-12)
    save_file(dict(deeper.state_dict()), start)
    out = PretrainRun(folder, tmp_path / "run", fit=stop, recipe=RECIPE, start=start).run()
    written = load_file(out)
    for name, tensor in written.items():
        first = deeper.state_dict()[name]
        torch.testing.assert_close(tensor, resize_positions(first, 4) if name == "pos_embed" else first)
    assert not any(name.startswith("blocks.2") for name in written)
    narrow = replace(RECIPE, model=replace(TINY, dim=32))
    with pytest.raises(DataError, match="fit the model"):
        PretrainRun(folder, tmp_path / "narrow", fit=stop, recipe=narrow, start=start).run()
