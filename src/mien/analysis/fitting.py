"""Settings that a model cannot follow, said before any work: once, not once a source."""

from __future__ import annotations

from mien.analysis.covers import demand_known
from mien.analysis.settings import AnalysisSettings
from mien.analysis.turned import demand_pose
from mien.core.compound import places_of
from mien.models.record import ModelRecord


def demand_fit(record: ModelRecord, settings: AnalysisSettings) -> None:
    """Refuse settings that need labels, signals or windows which the model of ``record`` does not have.

    Raises:
        ConfigError: compound pairs of labels that it does not know; a limit of a signal that it does not say; a step
            longer than its window.
    """
    if settings.compounds is not None:
        places_of(record.labels.labels, settings.compounds.pairs)
    demand_pose(record.signals, settings.most_yaw)
    demand_known(record.signals, settings.covered)
    settings.pace(record)
