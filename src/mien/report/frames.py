"""Tables as pandas and polars have them: the columns and values of frames.csv and spans.csv, each with its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien.core.errors import MissingDependencyError
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.report.tables import Column, frame_columns

if TYPE_CHECKING:
    import pandas
    import polars


class FrameTable(FaceTable):
    """The faces of a result and what its spans say of them.

    Args:
        table: the faces; their rows are shared, not copied.
        spans: of the result.
        labels: the model's expressions, in the order of the probabilities.
    """

    def __init__(self, table: FaceTable, spans: Sequence[Span], labels: Sequence[str]) -> None:
        super().__init__(table.classes, table.signals)
        vars(self).update(vars(table))
        self._spans, self._labels = spans, labels

    def to_pandas(self) -> pandas.DataFrame:
        """A row a face and frame, as frames.csv has them.

        Numbers are int64 and float64 (NaN where a cell is empty), ``measured`` is bool, texts are pandas' own.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return pandas_frame(frame_columns(self, self._spans, self._labels))

    def to_polars(self) -> polars.DataFrame:
        """A row a face and frame, as frames.csv has them.

        Numbers are Int64 and Float64, ``measured`` is Boolean, texts are String; null where a cell is empty.

        Raises:
            MissingDependencyError: polars is not installed.
        """
        return polars_frame(frame_columns(self, self._spans, self._labels))


def pandas_frame(columns: Mapping[str, Column]) -> pandas.DataFrame:
    """``columns`` as pandas has them. Raises MissingDependencyError without it."""
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("pandas", "no such package", "pip install 'mien[pandas]'") from error
    text = pandas.Series(["text"]).dtype  # object before pandas 3
    return pandas.DataFrame(
        {
            name: values if isinstance(values, np.ndarray) else pandas.Series(values, dtype=text)
            for name, values in columns.items()
        }
    )


def polars_frame(columns: Mapping[str, Column]) -> polars.DataFrame:
    """``columns`` as polars has them. Raises MissingDependencyError without it."""
    try:
        import polars
    except ImportError as error:
        raise MissingDependencyError("polars", "no such package", "pip install 'mien[polars]'") from error
    return polars.DataFrame(
        [
            polars.Series(name, values, nan_to_null=True)
            if isinstance(values, np.ndarray)
            else polars.Series(name, values, dtype=polars.String)
            for name, values in columns.items()
        ]
    )
