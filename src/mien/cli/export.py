"""``mien export``: a model as a file for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from mien.cli.console import print_json, print_table
from mien.cli.parsing import parse
from mien.cli.problems import note
from mien.core.errors import ConfigError
from mien.core.files import demand_writable

if TYPE_CHECKING:
    from mien.engines.export import Exported
    from mien.models.zoo import LoadedModel


@dataclass(frozen=True)
class Export:
    """A model as a file that runs without mien: uint8 face crops in, probabilities out.

    Preprocessing and landmark net are inside. The file is compared with PyTorch, and not kept where it differs.
    """

    model: Annotated[str | None, tyro.conf.Positional] = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision. Default: ours."""
    prior: str | None = None
    """Which shares of the expressions its probabilities expect: trained, those of the training set; balanced, none
    before another. None: the model's own choice; see `mien models NAME`."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path()
    """Folder for the file; made if it is not there."""
    to: Literal["onnx", "openvino", "pt2"] = "onnx"
    """onnx: NAME.onnx. openvino: NAME.xml and NAME.bin. pt2: NAME.pt2, for torch.export.load."""
    int8: bool = False
    """Write NAME-int8 as well (onnx, openvino), if it gives the same label to 99 of 100 windows of --calibrate."""
    calibrate: tuple[str, ...] = ()
    """Videos with faces, for --int8: OpenVINO measures ranges on them, and labels are compared on them."""
    force: bool = False
    """Keep the int8 file even where labels differ more often."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.int8 and self.to == "pt2":
            raise ConfigError("--to onnx or openvino with --int8", "pt2", "choose one of them")
        if self.int8 and not self.calibrate:
            raise ConfigError("--calibrate CLIPS with --int8", "no clips", "name some videos with faces")
        if (self.calibrate or self.force) and not self.int8:
            raise ConfigError("--int8 with --calibrate or --force", "no --int8", "add it, or leave them out")


def main(args: Sequence[str]) -> int:
    """Run ``mien export`` and return the exit code."""
    options = parse(Export, "export", args)
    demand_writable(options.out, "the file")
    from mien.engines.export import export
    from mien.models.zoo import load_model

    model = load_model(options.model)
    model.record = model.record.read_as(options.prior)
    note(f"exporting {model.record.name} to {options.to} and comparing it with PyTorch")
    made = [export(model, options.to, options.out)]
    if options.int8:
        made.append(_in_int8(options, model, made[0]))
    if options.json:
        print_json([_facts(one) for one in made])
    else:
        print_table(f"{model.record.name}, {options.to}", COLUMNS, [_cells(one) for one in made], numbers=COLUMNS[1:])
    return 0


def _in_int8(options: Export, model: LoadedModel, plain: Exported) -> Exported:
    from mien.analysis.settings import AnalysisSettings
    from mien.engines.quantize import face_clips, quantize
    from mien.media import expand

    pace = AnalysisSettings().pace(model.record)
    clips = face_clips(expand(options.calibrate), model.record, pace.window, pace.step)
    note(f"int8: {len(clips)} windows with a face in the clips")
    return quantize(model, plain, clips, force=options.force)


COLUMNS = ("file", "size", "logits within", "probabilities within", "same label")


def _cells(made: Exported) -> tuple[str, ...]:
    parity = made.parity
    differences = (f"{parity.logits:.1e}", f"{parity.probabilities:.1e}", f"{parity.labels:.1%}")
    return (str(made.path), f"{made.bytes / 1e6:.1f} MB", *differences)


def _facts(made: Exported) -> dict[str, Any]:
    parity = {name: getattr(made.parity, name) for name in ("logits", "probabilities", "labels")}
    return {"file": str(made.path), "bytes": made.bytes, "parity": parity}
