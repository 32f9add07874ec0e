"""A server in this process, or in one of its own; with a model of random numbers and a real clip, cut short."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
import torch
from fastapi.testclient import TestClient
from serving import BASE, Running, Start

from mien.core.labels import LABEL_SPACES
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, save_weights
from mien.serve.app import create_app
from mien.serve.settings import ServeSettings


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file whose answers mean nothing."""
    torch.manual_seed(0)
    pixels = Preprocessing(32, 32)
    network = S2D(S2DConfig(input_size=32, patch=16, dim=32, depth=1, heads=2, classes=8))
    record = ModelRecord("tiny", LABEL_SPACES["ferplus"], pixels, {}, frames=4, licence="none needed")
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_weights(Recognizer(network, MobileFaceNet(), pixels), record, path)
    return path


@pytest.fixture(scope="session")
def cut(sample_clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """``cut(0.4)``: the first seconds of a clip with one face, small."""
    folder = tmp_path_factory.mktemp("cuts")

    def make(seconds: float) -> Path:
        path = folder / f"{seconds:g}.mp4"
        if not path.exists():
            with av.open(str(sample_clip("single_face.mp4"))) as source, av.open(str(path), "w") as sink:
                stream = sink.add_stream("mpeg4", rate=25)
                stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
                for number, frame in enumerate(source.decode(video=0)):
                    if number >= seconds * 25:
                        break
                    pixels = frame.reformat(320, 180, "rgb24").to_ndarray()
                    small = av.VideoFrame.from_ndarray(pixels, "rgb24")
                    small.pts = number
                    sink.mux(stream.encode(small))
                sink.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def clip(cut: Callable[[float], Path]) -> Path:
    """Less than half a second with one face."""
    return cut(0.4)


@pytest.fixture(scope="module")
def videos(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a video in it, and links that lead out of it."""
    outside = tmp_path_factory.mktemp("private")
    (outside / "secret.mp4").write_bytes(clip.read_bytes())
    root = tmp_path_factory.mktemp("videos")
    (root / "talk.mp4").write_bytes(clip.read_bytes())
    (root / "link.mp4").symlink_to(outside / "secret.mp4")
    (root / "folder").symlink_to(outside)
    return root


@pytest.fixture(scope="module")
def settings(tiny_model: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> ServeSettings:
    return ServeSettings(
        data=tmp_path_factory.mktemp("data"), root=(videos,), model=str(tiny_model), max_upload_mb=1.0, queue=3
    )


@pytest.fixture(scope="module")
def client(settings: ServeSettings) -> Iterator[TestClient]:
    """A server that all tests of a module share."""
    with TestClient(create_app(settings), base_url=BASE) as client:
        yield client


@pytest.fixture
def start(tiny_model: Path, tmp_path: Path) -> Iterator[Start]:
    """``start("--queue", 2)``: the command as users type it, on a free port, one data folder for all of a test."""
    servers: list[Running] = []

    def run(*options: object, environment: dict[str, str] | None = None) -> Running:
        command = [sys.executable, "-c", "import sys; from mien.cli.serve import main; sys.exit(main(sys.argv[1:]))"]
        words = ["--port", 0, "--data", tmp_path / "data", "--model", tiny_model, *options]
        process = subprocess.Popen(
            [*command, *map(str, words)], stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        assert process.stdout is not None
        servers.append(Running(process, process.stdout.readline().strip()))
        return servers[-1]

    yield run
    for server in servers:
        server.process.kill()
        server.process.wait()
