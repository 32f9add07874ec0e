"""``make bench``: every benchmark on the sample clips, one table.

python benchmarks/run.py FOLDER        the folder with the sample clips
"""

import platform
import sys
from pathlib import Path

import memory
import speed


def main(folder: Path) -> None:
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    for name in ("WolfgangLanger_Pexels.mp4", "single_face.mp4"):
        print("\n".join(speed.measure(folder / name, runs=3)), flush=True)
    print("\n".join(memory.measure(folder / "single_face.mp4", times=20)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
