"""``mien pretrain``: data by place, fields by flag, the encoder's path on stdout."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli.pretrain import main

SHAPE = {"input-size": 32, "patch": 8, "dim": 32, "depth": 1, "heads": 2}
SHAPE |= {"decoder-dim": 32, "decoder-depth": 1, "decoder-heads": 2}
TINY = [word for name, size in SHAPE.items() for word in (f"--recipe.model.{name}", str(size))]
QUICK = ["--fit.epochs", "1", "--fit.batch", "4", "--fit.workers", "0"]


def test_a_folder_of_faces_becomes_an_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "run"
    assert main([str(tmp_path), "--out", str(out), *TINY, *QUICK]) == 0
    ran = capsys.readouterr()
    assert ran.out == f"{out / 'encoder.safetensors'}\n"
    assert (out / "encoder.safetensors").is_file()
    assert "torn.jpg is left out" in ran.err


def test_help_names_the_place_of_the_data_and_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert "--data" not in told
    assert "folder of face crops" in told
    assert "--recipe.model.mask" in told
    assert "--fit.lr" in told
