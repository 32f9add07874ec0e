"""``mien explain --method swap``: what of one picture carries the answer over into another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mien.cli.console import print_json, print_line, print_table
from mien.cli.progress import FrameProgress
from mien.core.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

    from mien.analysis.settings import AnalysisSettings
    from mien.core.types import FaceClip
    from mien.explain.source import Chosen
    from mien.explain.swap import Swaps
    from mien.models.zoo import LoadedModel

REPORT, PICTURE = "explain.json", "swap.png"
NOTE = (
    "What of the second picture carries this model's answer over into the first, by part of the face and block: of "
    "this pair and this model. No proof that a label is right, and none of an emotion felt."
)


@dataclass(frozen=True)
class Pair:
    """What is asked of ``mien explain --method swap``.

    Attributes:
        sources: SRC and that of ``--with``.
        out: folder.
        model: of ``--model``.
        settings: how both are looked at.
        at: seconds, in both; None: where the label is surest.
        track: the face of SRC; None: its only one.
        json: print explain.json instead of the table.
    """

    sources: tuple[str, str]
    out: Path
    model: str | None
    settings: AnalysisSettings
    at: float | None
    track: int | None
    json: bool


def explain_pair(options: Pair) -> int:
    """Read both sources, swap, and write numbers, table and picture; returns the exit code."""
    from mien.core.files import demand_writable
    from mien.explain.swap import swaps
    from mien.media.files import not_there
    from mien.models.zoo import load_model
    from mien.report.tables import plain, write_json

    demand_writable(options.out, "the pictures")
    for source in options.sources:
        if lost := not_there(source):
            raise lost
    model = load_model(options.model, folded=False)
    first, second = options.sources
    (of_a, a), (of_b, b) = _only(options, model, first, options.track), _only(options, model, second, None)
    found = swaps(model, a, b)
    report = _report(options, model, (of_a, of_b), found)
    write_json(options.out / REPORT, report)
    heading = f"{' against '.join(found.labels)}: parts of {of_b.source.name} in {of_a.source.name}"
    if options.json:
        print_json(plain(report))
    else:
        _print(found, heading)
        print_line(f"all files in {options.out}")
    _draw(options, found, a, b, heading)
    return 0


def _only(options: Pair, model: LoadedModel, source: str, track: int | None) -> tuple[Chosen, FaceClip]:
    """What was seen of a source, and its one face."""
    from mien.explain.source import choose_clips

    report_frame = partial(FrameProgress(1), source)
    chosen = choose_clips(source, model, options.settings, options.at, track, progress=report_frame)
    if len(chosen.clips) != 1:
        found = f"{len(chosen.clips)} in {chosen.source.name}"
        if options.at is not None and not chosen.clips:
            raise ConfigError("one face in each of the two", f"{found} at {options.at:g} s", "take another --at")
        raise ConfigError("one face in each of the two", found, "choose SRC's with --track, or cut the picture to it")
    return chosen, chosen.clips[0]


def _report(options: Pair, model: LoadedModel, both: tuple[Chosen, Chosen], found: Swaps) -> dict[str, Any]:
    from mien.analysis.provenance import engine_facts, provenance

    record, settings = model.record, options.settings
    threshold = record.calibration.threshold if settings.threshold is None else settings.threshold
    facts = provenance(record, engine_facts(model), settings, options.sources[0], settings.faces.detector, threshold)
    return {
        "schema": 1,
        "note": NOTE,
        "source": asdict(both[0].source),
        "with": asdict(both[1].source),
        "label_space": record.labels.name,
        "at": options.at,
        "swap": found.to_dict(),
        "provenance": {**facts, "problems": [problem for one in both for problem in one.problems]},
    }


def _print(found: Swaps, heading: str) -> None:
    blocks = len(next(iter(found.effects.values())))
    numbers = ("patches", "differs", *(str(block) for block in range(blocks)))
    rows = [
        (
            part,
            f"{found.patches[part]:.1f}" if part in found.patches else "",
            f"{100 * found.differs[part]:.1f} %" if part in found.differs else "",
            *(f"{effect:.2f}" for effect in effects),
        )
        for part, effects in found.effects.items()
    ]
    print_table(heading, ("part", *numbers), rows, numbers=numbers)
    z_a, z_b = found.ends
    print_line(
        f"Columns are blocks. 0: stays at SRC's {z_a:.2f} (logit of {found.labels[0]} less {found.labels[1]}'s); "
        f"1: goes to {z_b:.2f}, as the other picture has it.\n"
    )


def _draw(options: Pair, found: Swaps, a: FaceClip, b: FaceClip, heading: str) -> None:
    """Late: without matplotlib the numbers are there."""
    from mien.explain.swap_picture import write_swaps

    try:
        write_swaps(found, a, b, options.out / PICTURE, heading)
    except MissingDependencyError as error:
        raise MissingDependencyError(error.expected, error.got, f"{error.fix}; {REPORT} is written") from error
