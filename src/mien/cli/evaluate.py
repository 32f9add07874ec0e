"""``mien evaluate``: the figures of models on labelled items, one by one, fold by fold, or one against the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.core.errors import ConfigError
from mien.core.files import demand_writable
from mien.engines.opening import Backend, is_exported
from mien.evaluation.runs import Ground
from mien.models.calibration import TRAINED

if TYPE_CHECKING:
    from mien.data.manifest import Manifest
    from mien.evaluation.boxes import BoxReport
    from mien.evaluation.compare import Comparison
    from mien.evaluation.corruptions import Corruption
    from mien.evaluation.folds import Table
    from mien.evaluation.forgotten import Forgotten
    from mien.evaluation.groups import Groups
    from mien.evaluation.open_words import WordReport
    from mien.evaluation.predictions import Predictions
    from mien.evaluation.probe import Probe
    from mien.evaluation.report import Report
    from mien.evaluation.robustness import Robustness
    from mien.evaluation.runs import Run
    from mien.evaluation.signals import SignalReport
    from mien.evaluation.world import World

    Measured = Report | Groups | SignalReport | Probe | Forgotten
    Outcome = Measured | Table | Comparison | Robustness | World | BoxReport | WordReport


Spoilt = Literal["usual", "covers", "display"]


@dataclass(frozen=True)
class Evaluate:
    """Measure models on a labelled split: UAR, WAR, macro-F1, recalls, intervals, calibration.

    And what both model and set say beside the expression. Several runs give a table with their mean: one run a fold, or
    repeated runs of one fold. Tables of predictions (CSV) have the column id, one column with the probability of each
    class (or `label`, the answer alone), and `target`, the true class.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN...]")] = ()
    """Run folders, weights files, names from `mien models`, or predictions.csv of an earlier evaluation. None: the
    default model."""
    ground: Ground = field(default_factory=Ground)
    """What is measured, and how."""
    compare: bool = False
    """Test whether the first of two runs is better than the second, on the same items."""
    robustness: bool = False
    """The same items again under blur, noise, JPEG, low light, hidden eyes or mouth, turns and small sizes."""
    spoilt: Spoilt = "usual"
    """What --robustness shows beside the items as they are. usual: as above. covers: mask, glasses, headset and hand,
    in grey, skin and noise, drawn from the first model's landmarks. display: through a phone's display."""
    world: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Every set in FOLDER instead: held-out and spoilt FERPlus faces, labelled pictures by group, rendered people by
    strength, turn and tone, films. See docs/world.md."""
    probe: str | None = None
    """Instead of its own answers: how good a fresh head on the frozen feature gets from so many training faces of each
    class, such as 1,5,10,100; mean and interval of ten draws. For weights of any labels."""
    predictions: tuple[Path, Path] | None = None
    """Instead of runs: a CSV table of predictions and one of labels (columns id and label)."""
    boxes: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="TRUTH FOUND")] = None
    """Instead of runs: CSV tables of labelled boxes (columns image or frame, x0, y0, x1, y1, label), the true ones and
    those found (with score; or a frames.csv), for mean average precision at overlaps of .5, and .5 to .95. Pictures
    that the truth does not name are left out; one without a face is a row with its name alone."""
    by: str = ""
    """WAR and UAR of every group of this column, the largest gap and its p: a column of the table --groups, or of the
    prepared set's manifest.csv (`subject`, or one you added), by the items' id."""
    centre: str = ""
    """Take every group's mean answer out before anything is measured, by such a column: `subject` takes out the habits
    of people who show a mix of expressions."""
    forgotten: Path | None = None
    """Ids or subjects of training items, one a line: whether the model's losses give away that it has seen them,
    against unseen items of --split. Needs --data."""
    groups: Path | None = None
    """A CSV table with the column id and those of --by and --centre."""
    open_words: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="TRUTH ANSWERS")] = None
    """Instead of runs: CSV tables of free words, the true ones and the answers (columns id and words, between ;), for
    precision, recall and F of the words, of groups of near words, and of classes."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for report.json, report.md, predictions.csv, confusion.csv and .png, reliability.png."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, those of the training set; balanced, none before another.
    None: the model's own choice; see `mien models NAME`."""
    backend: Backend = "torch"
    """What computes; auto takes what `mien analyze` has found fastest. Files of `mien export` (.onnx, .xml) can be
    measured too: they run on their own engine."""
    keep: bool = False
    """Keep the figures in figures.json beside the weights file, where `mien models` finds them."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        self._demand_one_task()
        one = "--by" if self.by else "--probe" if self.probe is not None else "--world" if self.world else ""
        if one and len(self.runs) > 1:
            raise ConfigError(f"{one} with one model", f"{len(self.runs)}", "name one")
        if self.compare and len(self.runs) != 2:
            raise ConfigError("two runs with --compare", f"{len(self.runs)}", "name A and B")
        if self.robustness and any(map(_is_table, self.runs)):
            raise ConfigError("--robustness with weights", "a table", "name the model that answered")
        if self.spoilt != "usual" and not self.robustness:
            raise ConfigError("--robustness with --spoilt", f"--spoilt {self.spoilt} alone", "add --robustness")
        if self.forgotten and (len(self.runs) != 1 or self.ground.data is None or _is_table(self.runs[0])):
            raise ConfigError(
                "--forgotten with one model and --data", "another number of models, or no data", "name it"
            )
        if self.forgotten and self.ground.split == "train":
            raise ConfigError("a split that the model has not seen, for --forgotten", "train", "use valid or test")
        if self.groups and not (self.by or self.centre):
            raise ConfigError("--by or --centre with --groups", "neither", "name a column")
        if self.keep and (self.ground.map or any(map(_is_table, self.runs))):
            raise ConfigError("--keep with weights on all their classes", "--map or a table", "leave it out")
        if self.keep and (self.backend != "torch" or any(map(is_exported, self.runs))):
            raise ConfigError("--keep with the answers of PyTorch", "another engine's", "leave out one of them")

    def _demand_one_task(self) -> None:
        """Raise ConfigError for tasks that would each have the command to themselves."""
        alone = {
            "--robustness": self.robustness,
            "--world": self.world,
            "--probe": self.probe is not None,
            "--forgotten": self.forgotten,
            "--boxes": self.boxes,
            "--open-words": self.open_words,
            "--predictions": self.predictions,
            "--compare": self.compare,
            "--keep": self.keep,
        }
        asked = [name for name, on in alone.items() if on]
        grouped = [name for name, on in (("--by", self.by), ("--centre", self.centre)) if on]
        bears = {"--predictions": {"--by", "--centre"}, "--compare": {"--centre"}}
        if len(asked) > 1 or (asked and set(grouped) - bears.get(asked[0], set())):
            raise ConfigError(
                "one task at a time", " and ".join(asked + grouped), "leave the others out: it goes alone"
            )
        if self.runs and (self.boxes or self.open_words or self.predictions):
            raise ConfigError(f"{asked[0]} alone", f"the run {self.runs[0]} beside it", "leave one of them out")


def main(args: Sequence[str]) -> int:
    """Run ``mien evaluate`` and return the exit code."""
    options = parse(Evaluate, "evaluate", args)
    if options.out is not None:
        demand_writable(options.out, "the tables")
    outcome = _outcome(options)
    if options.out is not None:
        outcome.save(options.out)
    if options.json:
        print_json(outcome.to_dict())
    else:
        print_line(outcome.to_markdown())
    if options.out is not None:
        _draw(outcome, options.out)
    return 0


def _column(predictions: Predictions, column: str, options: Evaluate) -> list[str]:
    """Of the table of groups, or of the set's own rows."""
    from mien.data.manifest import ROWS
    from mien.evaluation.groups import read_column

    table = options.groups
    if table is None and options.ground.data is not None and (options.ground.data / ROWS).is_file():
        table = options.ground.data / ROWS
    if table is None:
        raise ConfigError("--groups TABLE, or --data with a prepared set, for --by and --centre", "neither", "add one")
    return read_column(table, column, predictions.ids)


def _centred(predictions: Predictions, options: Evaluate) -> Predictions:
    if not options.centre:
        return predictions
    from mien.evaluation.groups import centre

    return centre(predictions, _column(predictions, options.centre, options))


def _reported(predictions: Predictions, options: Evaluate) -> Report | Groups:
    if not options.by:
        from mien.evaluation.report import make_report

        return make_report(predictions)
    from mien.evaluation.groups import by_group

    return by_group(predictions, _column(predictions, options.by, options), options.by)


def _outcome(options: Evaluate) -> Outcome:
    from mien.evaluation.compare import compare
    from mien.evaluation.folds import Table, same_ground
    from mien.evaluation.report import Report

    if options.boxes is not None:
        return _boxes(*options.boxes)
    if options.open_words is not None:
        return _words(*options.open_words)
    if options.predictions is not None:
        return _reported(_centred(_from_tables(*options.predictions, options.ground), options), options)
    if options.robustness:
        return _robustness(options)
    if options.forgotten is not None:
        return _forgotten(options, options.forgotten)
    if options.world is not None:
        return _world(options, options.world)
    if options.probe is not None:
        return _probe(options, options.probe)
    names = options.runs or (None,)
    if options.compare:
        return compare(*(_centred(_predictions(name, options), options) for name in names))
    if options.by:
        return _reported(_centred(_predictions(names[0], options), options), options)
    found = [_measured(name, options) for name in names]
    reports = tuple(one for one in found if isinstance(one, Report))
    same_ground([one.predictions for one in reports])
    if len(found) == 1:
        return found[0]
    if len(reports) < len(found):
        raise ConfigError("a single run on a set without expressions", f"{len(found)} runs", "measure one by one")
    return Table(reports)


def _measured(name: str | None, options: Evaluate) -> Report | SignalReport:
    """Figures of the expression, with those of what is said beside it where the set knows of it, or those alone."""
    from mien.evaluation.report import make_report

    if name is not None and _is_table(name):
        return make_report(_centred(_predictions(name, options), options))
    from mien.evaluation.runs import open_run, rows_of
    from mien.evaluation.signals import measure_signals

    run = open_run(name, options.device, options.backend, options.prior)
    rows, protocol = rows_of(run, options.ground)
    with progress_of(run.model.record.name) as progress:
        beside = measure_signals(run.model, rows, options.ground.views, progress)
    if beside is not None and not beside.labelled:
        return beside
    return dataclasses.replace(make_report(_centred(_answers(run, options, rows, protocol), options)), beside=beside)


def _predictions(name: str | None, options: Evaluate) -> Predictions:
    if name is not None and _is_table(name):
        from mien.evaluation.predictions import load_predictions

        return _stated(load_predictions(Path(name)), options.ground)
    from mien.evaluation.runs import open_run, rows_of

    run = open_run(name, options.device, options.backend, options.prior)
    return _answers(run, options, *rows_of(run, options.ground))


def _answers(run: Run, options: Evaluate, rows: Manifest, protocol: str) -> Predictions:
    from mien.evaluation.report import make_report
    from mien.evaluation.runs import predict_rows

    with progress_of(run.model.record.name) as progress:
        predictions = predict_rows(run, options.ground, rows, protocol, progress)
    if options.keep:
        from mien.models.figures import keep_figures

        record, scores = run.model.record, make_report(predictions).scores()
        if record.prior != TRAINED:  # two readings of the same logits are measured apart
            scores = {f"{record.prior}_{name}": value for name, value in scores.items()}
        keep_figures(Path(record.source), record.name, record.sha256, scores)
    return predictions


def _robustness(options: Evaluate) -> Robustness:
    from mien.evaluation.folds import same_ground
    from mien.evaluation.report import make_report
    from mien.evaluation.robustness import CLEAN, Robustness
    from mien.evaluation.runs import open_run, predict_run

    runs = [open_run(name, options.device, options.backend, options.prior) for name in options.runs or (None,)]
    columns: list[dict[str, Report]] = [{} for _ in runs]
    for title, change in [(CLEAN, None), *_changes(options.spoilt, runs[0]).items()]:
        for run, reports in zip(runs, columns, strict=True):
            with progress_of(f"{run.model.record.name}: {title}") as progress:
                reports[title] = make_report(predict_run(run, options.ground, progress, change))
        if title == CLEAN:  # before the long part: what cannot stand in one table
            same_ground([reports[CLEAN].predictions for reports in columns])
    return Robustness(columns)


def _changes(spoilt: Spoilt, run: Run) -> Mapping[str, Corruption]:
    from mien.data.covers import covers
    from mien.data.display import displays
    from mien.evaluation.corruptions import CORRUPTIONS
    from mien.models.zoo import LoadedModel

    if spoilt == "usual":
        return CORRUPTIONS
    if spoilt == "display":
        return displays()
    model = run.model
    known = isinstance(model, LoadedModel) and model.network.landmarks is not None
    return covers(model.points) if known else covers()


def _world(options: Evaluate, folder: Path) -> World:
    from mien.analysis.expressions import ExpressionModel
    from mien.evaluation.runs import open_run
    from mien.evaluation.world import measure_world

    run = open_run(options.runs[0] if options.runs else None, options.device, options.backend, options.prior)
    with progress_of(run.model.record.name) as progress:
        return measure_world(run, ExpressionModel(run.model), folder, progress)


def _forgotten(options: Evaluate, names: Path) -> Forgotten:
    from mien.evaluation.forgotten import measure_forgotten, read_names
    from mien.evaluation.runs import open_run

    assert options.ground.data is not None
    run = open_run(options.runs[0], options.device, options.backend, options.prior)
    with progress_of(run.model.record.name) as progress:
        return measure_forgotten(run, options.ground, options.ground.data, read_names(names), progress)


def _probe(options: Evaluate, shots: str) -> Probe:
    from mien.evaluation.probe import measure_probe, parse_shots
    from mien.evaluation.runs import open_run

    counts = parse_shots(shots)
    run = open_run(options.runs[0] if options.runs else None, options.device, options.backend, options.prior)
    with progress_of(run.model.record.name) as progress:
        return measure_probe(run, options.ground, counts, progress)


def _from_tables(table: Path, labels: Path, ground: Ground) -> Predictions:
    from mien.evaluation.predictions import load_labels, load_predictions

    targets = load_labels(labels)
    return _stated(load_predictions(table, targets.values()).with_targets(targets), ground)


def _boxes(true: Path, found: Path) -> BoxReport:
    from mien.evaluation.boxes import load_boxes, measure_boxes

    return measure_boxes(load_boxes(true, scored=False), load_boxes(found, scored=True))


def _words(true: Path, said: Path) -> WordReport:
    from mien.evaluation.open_words import load_words, measure_words

    return measure_words(load_words(true), load_words(said))


def _stated(predictions: Predictions, ground: Ground) -> Predictions:
    """The same with the protocol that the user states, where the table names none."""
    protocol = predictions.protocol or ground.protocol or ""
    if ground.protocol not in (None, protocol):
        raise ConfigError(f"predictions of protocol {ground.protocol}", protocol, "leave out --protocol")
    return dataclasses.replace(predictions, protocol=protocol)


def _is_table(name: str) -> bool:
    return name.endswith(".csv")


def _draw(outcome: Outcome, folder: Path) -> None:
    """Pictures come last: without matplotlib everything else is there."""
    from mien.evaluation.folds import Table
    from mien.evaluation.pictures import write_pictures
    from mien.evaluation.report import Report

    if isinstance(outcome, Report):
        write_pictures(outcome, folder)
    elif isinstance(outcome, Table):
        for name, report in zip(outcome.folders(), outcome.reports, strict=True):
            write_pictures(report, folder / name)


@contextmanager
def progress_of(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr where a person looks."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
