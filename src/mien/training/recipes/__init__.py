"""Named recipes: every number that a run needs, as a value. ``mien train NAME`` runs one, any field by flag.

A recipe of yours is one file here and one line below.
"""

from __future__ import annotations

from typing import Any

from mien.core.registry import Place, Registry

_HERE = "mien.training.recipes"
_ENTRIES = {
    "landmarks": (
        f"{_HERE}.shipped:LANDMARKS",
        "the 68-point landmark net: faces with a teacher's points, rendered people",
    ),
    "ferplus": (f"{_HERE}.shipped:FERPLUS", "the small image model that ships: FERPlus, crowd votes as soft labels"),
    "signals": (
        f"{_HERE}.shipped:SIGNALS",
        "action units, pose, gaze, closed eyes: heads on weights that stay as they are",
    ),
    "sound": (
        "mien.training.sound:SoundRun",
        "what a film sounds like beside what it shows: a sound net, and its fusion",
    ),
    "heads": (
        "mien.training.frozen:HeadRun",
        "heads for what your set knows beside the expression, on weights that stay as they are",
    ),
    "covered": (
        f"{_HERE}.shipped:COVERED",
        "what covers a face, found patch by patch: fitted to weights that stay as they are",
    ),
    "cnn": (f"{_HERE}.floor:CNN", "the floor: a plain convolutional network from nothing, FERPlus at 48 px"),
    "poster": (f"{_HERE}.nets:POSTER", "POSTER++, the whole network from nothing, as published for RAF-DB"),
    "points": (f"{_HERE}.nets:POINTS", "68 points over time on your own labelled clips: small, and sees no pixels"),
    "ferplus-video": (f"{_HERE}.shipped:FERPLUS_VIDEO", "a video model of it: temporal adapters, on faces that move"),
    "images": (f"{_HERE}.yours:IMAGES", "fine-tune the shipped image model on your own labelled faces"),
    "videos": (f"{_HERE}.yours:VIDEOS", "a video model of it on your own labelled clips; the image part stays"),
    "rafdb": (f"{_HERE}.s2d:RAFDB", "S2D stage 1 on RAF-DB: the image model"),
    "affectnet7": (f"{_HERE}.s2d:AFFECTNET", "S2D stage 1 on AffectNet, 7 classes: what stage 2 starts from"),
    "affectnet8": (f"{_HERE}.s2d:AFFECTNET", "S2D stage 1 on AffectNet, 8 classes"),
    "ferplus-base": (f"{_HERE}.s2d:FERPLUS_BASE", "S2D stage 1 on a prepared FERPlus, as published"),
    "dfew": (f"{_HERE}.s2d:DFEW", "S2D stage 2 on a fold of DFEW; --start with a stage-1 model"),
    "dfew-oversampled": (f"{_HERE}.s2d:DFEW_OVERSAMPLED", "as dfew, every class drawn as often: higher UAR, lower WAR"),
    "ferv39k": (f"{_HERE}.s2d:FERV39K", "S2D stage 2 on FERV39k: no mixing, no dropout, self-distillation on"),
    "ferv39k-oversampled": (f"{_HERE}.s2d:FERV39K_OVERSAMPLED", "as ferv39k, every class drawn as often"),
    "mafw": (f"{_HERE}.s2d:MAFW", "S2D stage 2 on a fold of MAFW; --start with a stage-1 model"),
    "mafw-oversampled": (f"{_HERE}.s2d:MAFW_OVERSAMPLED", "as mafw, every class drawn as often"),
    "smoke": (f"{_HERE}.shipped:SMOKE", "draw a handful of clips and train a tiny video model on them, in seconds"),
}
RECIPES: Registry[Any] = Registry("recipe", {name: Place(place) for name, (place, _) in _ENTRIES.items()})
"""By name: a value with ``run``, or the class of one where a field has no default."""
ABOUT = {name: about for name, (_, about) in _ENTRIES.items()}
"""What each is for, in a line; known without importing it."""
