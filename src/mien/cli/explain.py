"""``mien explain``: why this label. Maps over the face, regions, and the comparison with theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from mien.analysis.settings import AnalysisSettings
from mien.cli.console import print_json, print_line, print_table
from mien.cli.explain_pair import Pair, explain_pair
from mien.cli.parsing import parse
from mien.cli.problems import note
from mien.cli.progress import FrameProgress
from mien.core.errors import ConfigError, MissingDependencyError
from mien.data.manifest import Split
from mien.faces.landmarkers import LandmarkSettings
from mien.faces.parsers import ParserSettings

if TYPE_CHECKING:
    from mien.explain.explanation import Explanation
    from mien.explain.mean import MeanMap
    from mien.explain.source import Chosen
    from mien.faces.parsers import Parser
    from mien.models.zoo import LoadedModel

REPORT = "explain.json"
MEAN_REPORT, MEAN_PICTURE = "mean.json", "mean.png"
SWAP = "swap"


@dataclass(frozen=True)
class Explain:
    """Why this label: where in the face, and when, the answer comes from, and what theory would expect.

    For every face the surest moment, or the one at --at. OUT gets explain.json and, for every face, a picture of the
    maps over the crops; it shows the face. A comparison with published action units of posed expressions: no proof that
    a label is right, and none of an emotion felt.

    With --method swap, of two pictures, OUT gets explain.json and swap.png: what each part of the second one's face
    changes in the first, block by block.

    With --mean SRC is a labelled set instead, and OUT gets mean.json and mean.png: where the model looks for each
    expression on average, laid over an ordinary face. No face is in them.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SRC")]
    """A video or picture, or whatever else `mien analyze` takes. With --mean: a set of `mien prepare`, or FERPlus'
    .npz."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the results; made if it is not there."""
    method: str = "all"
    """rollout: where attention comes from in the end. fovea: where the prompters look closer. gradcam: what speaks for
    the label in the last map. occlusion: what the label loses while a place is hidden; the slowest. all: each of these
    that the model has the parts for. attention: where the last block looks, which is what cues train. swap: what the
    parts of a second picture's face change, put into the first; with --with."""
    pair: Annotated[str | None, tyro.conf.arg(name="with", metavar="SRC")] = None
    """With --method swap: a picture of the same face, framed alike, that differs in one thing; or a film as long."""
    track: int | None = None
    """Number of the only face to explain, as `mien analyze` has it. None: all."""
    at: float | None = None
    """Seconds: explain what is shown at this moment. None: where the label is surest."""
    model: str | None = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, those of the training set; balanced, none before another.
    None: the model's own choice; see `mien models NAME`."""
    mean: bool = False
    """Average over many labelled faces, see above; how a source is looked at plays no part then."""
    each: int = 50
    """With --mean: faces of an expression at most."""
    split: Split = "valid"
    """With --mean: which split of the set. Choose on valid, read test once."""
    html: bool = False
    """Write report.html too, as `mien analyze --html` does, with these pictures in it; the source is read once more."""
    json: bool = False
    """Print explain.json instead of tables."""
    points: LandmarkSettings = field(default_factory=LandmarkSettings)
    """Whose landmarks lay out the face."""
    parts: ParserSettings = field(default_factory=ParserSettings)
    """What says where the face's regions lie."""
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    """How the source is looked at."""

    def __post_init__(self) -> None:
        if self.at is not None and self.at < 0:
            raise ConfigError("a moment of 0 s or later", f"{self.at} s", "give seconds from the start of the video")
        if self.each < 1:
            raise ConfigError("--each of at least 1 face", str(self.each), "raise it")
        if self.mean and (self.html or self.at is not None or self.track is not None):
            raise ConfigError("--mean without --html, --at and --track", "them", "leave them out: it has no film")
        if (self.method == SWAP) != (self.pair is not None):
            got = "one without the other"
            raise ConfigError("--method swap and --with, a second picture", got, "give both, or leave both out")
        if self.pair is not None and (self.mean or self.html or self.prior):
            raise ConfigError("--method swap without --mean, --html and --prior", "them", "leave them out")
        if self.pair is not None and self.points.landmarker is not None:
            fix = "leave it out: both faces are laid out by the model's own landmark net"
            raise ConfigError("--method swap without --landmarker", self.points.landmarker, fix)
        if self.parts.parser is not None and (self.mean or self.pair is not None):
            fix = "leave it out: their regions are drawn from landmarks"
            raise ConfigError("--mean and --method swap without --parser", self.parts.parser, fix)


def main(args: Sequence[str]) -> int:
    """Run ``mien explain`` and return the exit code."""
    options = parse(Explain, "explain", args)
    if options.mean:
        return _explain_set(options)
    if options.pair is not None:
        both = (options.source, options.pair)
        return explain_pair(
            Pair(both, options.out, options.model, options.settings, options.at, options.track, options.json)
        )
    from mien.core.files import demand_writable
    from mien.explain.explanation import explain_clip, methods_of
    from mien.explain.source import choose_clips
    from mien.media.files import not_there
    from mien.models.zoo import load_model
    from mien.report.tables import write_json

    demand_writable(options.out, "the pictures")
    if lost := not_there(options.source):
        raise lost
    model = load_model(options.model, folded=False)
    model.record = model.record.read_as(options.prior)
    methods = methods_of(options.method, model)
    parser = _parser(options, model)
    progress = FrameProgress(1)
    report_frame = partial(progress, options.source)
    chosen = choose_clips(options.source, model, options.settings, options.at, options.track, progress=report_frame)
    progress.finish(options.source, 1)
    explanations = []
    for clip in chosen.clips:
        note(f"face {clip.track}: {', '.join(method.name for method in methods)}")
        explanations.append(explain_clip(model, clip, methods, options.settings.threshold, parser))
    report = _report(options, model, chosen, explanations)
    write_json(options.out / REPORT, report)
    if options.json:
        from mien.report.tables import plain

        print_json(plain(report))
    else:
        _print(options, chosen, explanations)
    pictures = _draw(options, chosen, explanations)
    if options.html:
        _write_page(options, model, explanations, pictures)
    return 0


def _parser(options: Explain, model: LoadedModel) -> Parser | None:
    """What says where regions lie; None: the model's own landmark net, if it has one."""
    find = options.points.make()
    if options.parts.parser == "points" and find is None and model.network.landmarks is not None:
        find = model.points
    return options.parts.make(find)


def _plugged(options: Explain) -> dict[str, Any]:
    from mien.analysis.plugins import PlugIns, file_facts

    parts = options.parts
    told = file_facts(parts.parser, parts.parser_file, parts.parser_input, labels=list(parts.parser_labels))
    return {**PlugIns(options.points).facts, **({} if parts.parser is None else {"parser": told})}


def _explain_set(options: Explain) -> int:
    import cv2

    from mien.core.files import demand_writable, whole_file
    from mien.evaluation.runs import open_data
    from mien.explain.explanation import NOTE, methods_of
    from mien.explain.mean import mean_maps, picture_of
    from mien.models.zoo import load_model
    from mien.report.tables import plain, write_json

    demand_writable(options.out, "the pictures")
    items = open_data(Path(options.source)).select(options.split)
    model = load_model(options.model, folded=False)
    model.record = model.record.read_as(options.prior)
    methods = methods_of(options.method, model)
    names = [method.name for method in methods]
    progress = FrameProgress(1)
    maps = mean_maps(
        *(model, items, methods, options.each),
        progress=lambda done, total: progress(items.name, done, total, 0.0),
        find=options.points.make(),
    )
    progress.finish(items.name, 1)
    report = {
        "schema": 1,
        "note": NOTE,
        "data": {"name": items.name, "split": options.split, "each": options.each},
        "model": {"name": model.record.name, "sha256": model.record.sha256},
        **_plugged(options),
        "maps": [one.to_dict() for one in maps],
    }
    write_json(options.out / MEAN_REPORT, report)
    with whole_file(options.out / MEAN_PICTURE) as draft:
        cv2.imwrite(str(draft), picture_of(maps, names)[..., ::-1])
    if options.json:
        print_json(plain(report))
    else:
        _print_maps(options, f"{model.record.name} on {items.name}, {options.split}", maps)
    return 0


def _print_maps(options: Explain, title: str, maps: Sequence[MeanMap]) -> None:
    columns = ("expression", "faces", "method", "IoU", "95 %", "chance", "r", "cue", "other cues")
    print_table(title, columns, [_map_cells(one) for one in maps], numbers=("faces", *columns[3:]))
    print_line(f"all files in {options.out}; rows of {MEAN_PICTURE} are expressions, columns methods, in this order")


def _map_cells(one: MeanMap) -> tuple[str, ...]:
    found, interval, cue = one.overlap, one.interval, one.cue
    edges = "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"
    agreement = (
        ("",) * 4 if found is None else (f"{found.iou:.2f}", edges, f"{found.chance:.2f}", f"{found.correlation:.2f}")
    )
    cosines = ("", "") if cue is None else tuple(f"{value:.2f}" for value in cue)
    return (one.label, str(one.faces), one.method, *agreement, *cosines)


def _report(options: Explain, model: LoadedModel, chosen: Chosen, explanations: list[Explanation]) -> dict[str, Any]:
    from dataclasses import asdict

    from mien.analysis.provenance import engine_facts, provenance
    from mien.explain.explanation import NOTE

    record, settings = model.record, options.settings
    threshold = record.calibration.threshold if settings.threshold is None else settings.threshold
    facts = provenance(record, engine_facts(model), settings, options.source, settings.faces.detector, threshold)
    return {
        "schema": 1,
        "note": NOTE,
        "source": asdict(chosen.source),
        "label_space": record.labels.name,
        "at": options.at,
        "tracks": list(chosen.faces),
        "faces": [explanation.to_dict() for explanation in explanations],
        "provenance": {**facts, **_plugged(options), "problems": chosen.problems},
    }


def _print(options: Explain, chosen: Chosen, explanations: list[Explanation]) -> None:
    if not explanations:
        at = f" at {options.at:g} s" if options.at is not None and chosen.faces else ""
        print_line(f"{chosen.source.name}: no face was found{at}\n")
    for explanation in explanations:
        _print_face(chosen.source.name, explanation)
    print_line(f"all files in {options.out}")


def _print_face(name: str, explanation: Explanation) -> None:
    from mien.explain.picture import title_of

    found, title = explanation.evidence, title_of(explanation, name)
    if found[0].regions is None:
        print_line(f"{title}\nThis model has no landmark net: no regions of the face.\n")
        return
    expected = explanation.expected.regions if explanation.expected else ()
    rows = [
        (
            region,
            "yes" if region in expected else "",
            f"{100 * found[0].regions[region].area:.0f} %",
            *(f"{100 * one.regions[region].share:.0f} %" for one in found if one.regions is not None),
        )
        for region in found[0].regions
    ]
    names = [one.method for one in found]
    print_table(title, ("region", "expected", "area", *names), rows, numbers=("area", *names))
    if explanation.covered:
        print_line(", ".join(f"{name} covers {share:.0%} of the face" for name, share in explanation.covered.items()))
    first, *others = _theory(explanation)
    print_line("\n  ".join([first, *others]) + "\n")


def _theory(explanation: Explanation) -> list[str]:
    """What published action units expect, and how well each map agrees."""
    if explanation.expected is None:
        return [f"Theory expects no region for {explanation.label}."]
    units = " + ".join(map(str, explanation.expected.units))
    lines = [f"Expected of {explanation.label}: action units {units} ({explanation.expected.source})."]
    for one in explanation.evidence:
        if one.overlap is not None:
            agreement = f"IoU {one.overlap.iou:.2f} (chance {one.overlap.chance:.2f}), r {one.overlap.correlation:.2f}"
            lines.append(f"{one.method}: {agreement}")
    return lines


def _draw(options: Explain, chosen: Chosen, explanations: list[Explanation]) -> list[Path]:
    """A picture a face. They come late: without matplotlib the numbers are there."""
    from mien.explain.picture import write_strip

    try:
        return [
            write_strip(explanation, options.out / f"face-{explanation.clip.track}.png", chosen.source.name)
            for explanation in explanations
        ]
    except MissingDependencyError as error:
        raise MissingDependencyError(error.expected, error.got, f"{error.fix}; {REPORT} is written") from error


def _write_page(
    options: Explain, model: LoadedModel, explanations: list[Explanation], pictures: Sequence[Path]
) -> None:
    from mien.analysis.expressions import ExpressionModel
    from mien.explain.picture import title_of
    from mien.report.page.html import Why

    why = [
        Why(one.clip.track, one.clip.start, title_of(one), tuple(_theory(one)), picture)
        for one, picture in zip(explanations, pictures, strict=True)
    ]
    result = ExpressionModel(model).analyze(options.source, options.settings)
    page = result.html(options.out / "report.html", why=why)
    note(f"the report with these pictures is {page}")
