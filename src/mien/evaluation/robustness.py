"""How much a model loses when pictures are spoilt: its figures on the same items under every corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import DataError
from mien.evaluation.predictions import PROTOCOLS, same_ids
from mien.evaluation.report import Report, write_report

CLEAN = "as they are"


@dataclass(frozen=True, eq=False)
class Robustness:
    """Reports of one or more models, by corruption.

    Attributes:
        reports: of every model, by the corruption's name; :data:`CLEAN` comes first. All of the same items.
    """

    reports: Sequence[Mapping[str, Report]]

    def __post_init__(self) -> None:
        first = self.reports[0]
        for other in self.reports:
            if list(other) != list(first):
                raise DataError("the same corruptions for every model", "different ones", "evaluate them anew")
            one, two = first[CLEAN].predictions, other[CLEAN].predictions
            same_ids(one.ids, two.ids, one.model, two.model)

    @property
    def names(self) -> list[str]:
        """A heading for every model; a number tells two of one name apart."""
        models = [reports[CLEAN].predictions.model for reports in self.reports]
        return [name if models.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(models, 1)]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        about = self.reports[0][CLEAN].predictions
        return {
            "dataset": about.dataset,
            "split": about.split,
            "protocol": about.protocol or PROTOCOLS[""],
            "models": {
                name: {
                    corruption: {figure: value._asdict() for figure, value in report.figures.items()}
                    for corruption, report in reports.items()
                }
                for name, reports in zip(self.names, self.reports, strict=True)
            },
        }

    def to_markdown(self) -> str:
        """A row a corruption: WAR with its 95 % interval, and UAR, of every model; in percent."""
        about = self.reports[0][CLEAN].predictions
        heads = [f"{name}: WAR | 95 % interval | UAR" for name in self.names]
        lines = [
            f"{len(about)} items of {about.dataset} {about.split}, spoilt; protocol "
            f"{PROTOCOLS.get(about.protocol, about.protocol)}. In percent.",
            "",
            f"| pictures | {' | '.join(heads)} |",
            "|---" * (1 + 3 * len(heads)) + "|",
        ]
        for corruption in self.reports[0]:
            cells = []
            for reports in self.reports:
                report = reports[corruption]
                cells += [
                    f"{100 * report.war.value:.2f}",
                    f"{100 * report.war.low:.2f} to {100 * report.war.high:.2f}",
                    f"{100 * report.uar.value:.2f}",
                ]
            lines.append(f"| {corruption} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)
