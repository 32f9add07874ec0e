"""Other teachers' answers, blended into the votes of the training faces: an archive that `mien train ferplus` reads.

    python tools/blend_votes.py ferplus_48.npz --opinions train.npz --share 0.5 -o world.npz
    mien train ferplus --data world.npz --start s2d-small --recipe.no-majority-only

OPINIONS holds one array a teacher, in the order of the archive's training faces: (n, 7) probabilities of the label
order without contempt, or (n, 8) with it. Their geometric mean is one opinion; what the crowd called contempt stays
so. Faces without a vote for an expression get the opinion alone with --all, and are left out without it. --people adds
the faces of a set of `mien prepare people` with opinions in its rows' order: nobody voted on those. Validation and test
faces stay as they are.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from mien.data.ferplus import LABELS, vote_shares
from mien.data.manifest import load_manifest
from mien.data.pixels import read_clip

COUNTS = 250
"""Votes a face has in the archive: shares in steps of 0.4 %."""
LEAST = 1e-4
SIDE = 48


def opinion(path: Path) -> np.ndarray:
    """The geometric mean of the teachers in a file, (n, 8); contempt is NaN where no teacher knows it."""
    with np.load(path) as file:
        teachers = [file[name][:, :7].astype(np.float64) for name in file.files]
    logs = np.mean([np.log(one.clip(LEAST)) for one in teachers], axis=0)
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def blend(crowd: np.ndarray, opinions: np.ndarray, share: float) -> np.ndarray:
    """``share`` of the opinion beside the crowd's shares (n, 8); the crowd alone speaks of contempt."""
    contempt = crowd[:, 7:]
    return (1 - share) * crowd + share * np.concatenate([opinions * (1 - contempt), contempt], axis=1)


def counted(shares: np.ndarray) -> np.ndarray:
    """(n, 10) votes as the archive has them; nobody is unsure or sees no face."""
    votes = np.zeros((len(shares), len(LABELS) + 2), np.uint8)
    votes[:, : len(LABELS)] = np.round(COUNTS * shares)
    return votes


def people(folder: Path, path: Path, textbook: float, most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Grey faces of the archive's side, and what is said of each, as shares of eight expressions."""
    manifest = load_manifest(folder).select("train")
    opinions = opinion(path)
    if len(manifest) != len(opinions):
        raise SystemExit(f"{len(opinions)} opinions on {len(manifest)} faces in {folder}")
    chosen = np.sort(np.random.default_rng(0).permutation(len(manifest))[:most])
    faces = []
    for place in chosen.tolist():
        image = read_clip(manifest, manifest.rows[place])[0].transpose(1, 2, 0)
        faces.append(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    said = np.pad(opinions[chosen], ((0, 0), (0, 1)))
    return np.stack(faces), textbook * manifest.targets()[chosen] + (1 - textbook) * said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--opinions", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--people", type=Path, nargs=2, metavar=("SET", "OPINIONS"))
    parser.add_argument("--textbook", type=float, default=0.0)
    parser.add_argument("--most", type=int)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    with np.load(given.archive) as file:
        arrays = {name: file[name] for name in file.files if not name.endswith("_row")}
    crowd = vote_shares(arrays["train_votes"]).astype(np.float64)
    said = opinion(given.opinions)
    voted = crowd.any(1)
    shares = blend(crowd, said, given.share)
    if given.all:
        shares[~voted] = np.pad(said, ((0, 0), (0, 1)))[~voted]
    arrays["train_votes"] = counted(shares * (voted | given.all)[:, None])
    if given.people:
        faces, theirs = people(*given.people, given.textbook, given.most)
        arrays["train_images"] = np.concatenate([arrays["train_images"], faces])
        arrays["train_votes"] = np.concatenate([arrays["train_votes"], counted(theirs)])
    np.savez_compressed(given.out, **arrays)
    used = vote_shares(arrays["train_votes"])
    means = used[used.any(1)].mean(0)
    print(
        f"{int(used.any(1).sum())} faces; shares:", *(f"{a} {b:.3f}" for a, b in zip(LABELS.labels, means, strict=True))
    )


if __name__ == "__main__":
    main()
