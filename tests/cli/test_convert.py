"""``mien convert``: the key map, and files that are no checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mien.models.s2d import S2D, S2DConfig


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A plain image model under the released code's names."""
    torch.manual_seed(0)
    state = S2D(S2DConfig(input_size=32, patch=16, dim=64, depth=1, heads=1, prompts=False)).state_dict()
    official = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
    path = tmp_path / "released.pth"
    torch.save({"model": official}, path)
    return path


def test_the_key_map_is_printed_and_the_weights_are_read_by_others(mien, checkpoint, tmp_path) -> None:
    ran = mien("convert", checkpoint, "-o", tmp_path / "new", "--name", "mine")
    assert (ran.code, ran.err) == (0, "")
    for fact in ("blocks.0.attn.qkv.weight", "backbone.blocks.0.attn.qkv.weight", "--model"):
        assert fact in ran.out
    (facts,) = mien("models", tmp_path / "new" / "mine.safetensors", "--json").lines
    assert (facts["name"], facts["labels"]["name"]) == ("mine", "dfew")


def test_json(mien, checkpoint, tmp_path) -> None:
    (answer,) = mien("convert", checkpoint, "-o", tmp_path, "--json", "--labels", "rafdb").lines
    assert Path(answer["path"]) == tmp_path / "released.safetensors"
    assert ["head.weight", "head.weight"] in answer["key_map"]


def test_a_truncated_file(mien, checkpoint, tmp_path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    ran = mien("convert", checkpoint, "-o", tmp_path / "new")
    assert (ran.code, ran.out) == (1, "")
    assert "torn" in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_labels_that_do_not_fit(mien, checkpoint, tmp_path) -> None:
    ran = mien("convert", checkpoint, "-o", tmp_path, "--labels", "mafw")
    assert ran.code == 1
    assert "7 labels" in ran.err
