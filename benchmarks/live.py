"""P8: how often and how late a label comes while a camera runs, on two cores.

    python benchmarks/live.py CLIP [--quick | --long]

A clip of 30 frames per second is played in real time, as a camera gives it: frames that come while an older one is
worked on are dropped, but for the newest. A label is new when the network has answered a window. Its latency runs from
the arrival of the frame that it came with to the moment it is handed out. Counted from the first label on; one face.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rounds import use_threads

import films
import mien
from mien import media
from mien.media.newest import Newest

RATE, HEIGHT = 30.0, 720
MOST_FRAMES, MOST_SECONDS = 8, 0.4


class Counting:
    """A network that counts how often it was asked.

    Args:
        network: answers.
    """

    def __init__(self, network) -> None:
        self._network, self.asked = network, 0
        self.record = network.record

    def logits(self, clips):
        """As the network's."""
        self.asked += 1
        return self._network.logits(clips)

    def probabilities(self, clips):
        """As the network's."""
        self.asked += 1
        return self._network.probabilities(clips)


@dataclass
class Watched:
    """What one playing showed: numbers of the frames that brought a label, seconds of latency, share dropped."""

    frames: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    dropped: float = 0.0


def play(film: Path, network) -> Watched:
    """Watch ``film`` once."""
    counting, seen = Counting(network), Watched()
    with Newest(lambda: media.open(film)) as camera:
        asked = 0
        for now in mien.ExpressionModel(counting).live(camera):
            if now.frame is None:
                continue
            late = camera.age(now.frame)
            if counting.asked > asked and now.faces:
                seen.frames.append(now.frame.index)
                seen.latencies.append(late)
            asked = counting.asked
        flow = camera.flow
    seen.dropped = flow.dropped / max(flow.read, 1)
    return seen


def measure(clip: Path, quick: bool = False, long: bool = False) -> list[str]:
    """The rows of the table."""
    use_threads(2)
    seconds, plays = (10.0, 3) if long else (4.0, 1) if quick else (6.0, 2)
    gaps, latencies, dropped = [], [], []
    model = mien.load(trial=True)
    with tempfile.TemporaryDirectory() as folder:
        film = films.scaled(clip, HEIGHT, round(RATE * seconds), Path(folder) / "camera.mp4", RATE)
        for playing in range(1 + plays):
            seen = play(film, model._network)
            if playing:  # the first one warms libraries up
                gaps += np.diff(seen.frames).tolist()
                latencies += seen.latencies
                dropped.append(seen.dropped)
            time.sleep(0.5)
    rows = [f"{model.record.name}, {seconds:.0f} s of {HEIGHT}p at {RATE:.0f} frames per second, two threads"]
    usual, widest = np.percentile(gaps, (50, 95))
    rows.append(f"  frames from label to label: median {usual:.0f}, 95 % {widest:.0f} or fewer")
    half, most = (1000 * np.percentile(latencies, share) for share in (50, 95))
    rows.append(f"  latency: median {half:.0f} ms, 95 % {most:.0f} ms or less; {100 * np.mean(dropped):.0f} % dropped")
    rows.append(
        f"P8 a label every {widest:.0f} frames, {most:.0f} ms late (95 %; "
        f"target {MOST_FRAMES} frames, {1000 * MOST_SECONDS:.0f} ms)"
    )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--quick", action="store_true", help="one playing of 4 s instead of two of 6 s")
    parser.add_argument("--long", action="store_true", help="three of 10 s")
    given = parser.parse_args()
    print("\n".join(measure(given.clip, given.quick, given.long)))
