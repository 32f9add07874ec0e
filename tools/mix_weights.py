"""The mean of two sets of weights of one shape, of which one was trained on from the other (WiSE-FT, arXiv 2109.01903).

    python tools/mix_weights.py BEFORE AFTER --share 0.5 -o OUT.safetensors

SHARE is that of AFTER. The record is AFTER's; a reading of the logits has to be fitted anew (tools/balance.py).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from mien.models.find import find_weights
from mien.models.record import read_record
from mien.models.weights import read_tensors, write_tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    before, after = (find_weights(name) for name in (given.before, given.after))
    old, new = read_tensors(before), read_tensors(after)
    if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
        raise SystemExit("these are of different shapes")
    mixed = {name: torch.lerp(old[name].float(), new[name].float(), given.share).to(new[name].dtype) for name in new}
    record = replace(read_record(after), scores={})
    write_tensors(mixed, {"mien": record.to_json()}, given.out)


if __name__ == "__main__":
    main()
