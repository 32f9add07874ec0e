"""Mixed models on the tables of a study, as programs in R and Python that run as they are.

No name out of a table is put into them: they read the tables, so that nothing in a table can become program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mien.core.files import whole_file
from mien.studies.sheets import WHOLE_FILM
from mien.studies.summary import Unit

R = """\
# $what
# Run in this folder: Rscript model.R. Needs lme4 (and lmerTest for p values).
library(lme4)
if (requireNamespace("lmerTest", quietly = TRUE)) library(lmerTest)
words <- c("person", "condition", "trial_type", "label")
scores <- read.csv("../$table", colClasses = setNames(rep("character", length(words)), words))
scores <- subset(scores, $rows)
scores$$person <- factor(scores$$person)
scores$$condition <- factor(scores$$condition)
scores$$trial_type <- factor(scores$$trial_type)
for (one in unique(scores$$label)) {
  part <- scores[scores$$label == one & !is.na(scores$$$score), ]
  cat("\\n", one, ": ", nrow(part), " rows\\n", sep = "")
  if (nrow(part) < 4 || length(unique(part$$$score)) < 2) next
  model <- $call($score ~ $r_formula, data = part)
  print(summary(model)$$coefficients)
}
"""

PYTHON = """\
# $what
# Run in this folder: python model.py. Needs pandas and statsmodels.
import pandas as pd
import statsmodels.formula.api as smf

scores = pd.read_csv("../$table", dtype={"person": str, "condition": str, "trial_type": str, "label": str})
scores = scores[$python_rows]
for label, part in scores.groupby("label", sort=False):
    part = part.dropna(subset=["$score"])
    print(f"\\n{label}: {len(part)} rows")
    if len(part) < 4 or part["$score"].nunique() < 2:
        continue
    model = $python_call
    print(model.params.to_frame("estimate").assign(p=model.pvalues))
"""


@dataclass(frozen=True)
class Design:
    """What the models are about.

    Attributes:
        trials: whether there are single events to model.
        factors: what differs: condition, trial_type.
        crossed: whether every condition has every trial type.
        repeated: whether somebody has more than one row.
        corrected: whether everybody's scores are corrected.
    """

    trials: bool
    factors: tuple[str, ...]
    crossed: bool
    repeated: bool
    corrected: bool


def design_of(units: Sequence[Unit], trials: bool, corrected: bool) -> Design:
    """What a study has."""
    kept = [unit for unit in units if (unit.trial_type != WHOLE_FILM) == trials]
    people = [unit.person for unit in kept]
    repeated = len(set(people)) < len(people) or any(unit.measured.windows > 1 for unit in kept if trials)
    levels = {name: {getattr(unit, name) for unit in kept} for name in ("condition", "trial_type")}
    factors = tuple(name for name, values in levels.items() if len(values) > 1)
    cells = {(unit.condition, unit.trial_type) for unit in kept}
    crossed = len(cells) == len(levels["condition"]) * len(levels["trial_type"])
    return Design(trials, factors, crossed, repeated, corrected)


def write_snippets(folder: Path, design: Design) -> list[Path]:
    """Write model.R and model.py into ``folder``; returns the paths."""
    fixed = (" * ".join(design.factors) if design.crossed else design.factors[-1]) if design.factors else "1"
    score = "mean_corrected" if design.corrected else "mean"
    model = f'smf.mixedlm("{score} ~ {fixed}", part, groups=part["person"]).fit()'
    only = 'signal == "expression"'
    python_only = 'scores["signal"] == "expression"'
    if not design.trials:
        only += ' & trial_type == "whole film"'
        python_only = f'({python_only}) & (scores["trial_type"] == "whole film")'
    values = {
        "what": f"A {'mixed' if design.repeated else 'linear'} model of every expression: {score} by {fixed}.",
        "table": "trials.csv" if design.trials else "summary.csv",
        "rows": only,
        "python_rows": python_only,
        "score": score,
        "call": "lmer" if design.repeated else "lm",
        "r_formula": f"{fixed} + (1 | person)" if design.repeated else fixed,
        "python_call": model if design.repeated else f'smf.ols("{score} ~ {fixed}", part).fit()',
    }
    paths = []
    for name, text in (("model.R", R), ("model.py", PYTHON)):
        with whole_file(folder / name) as draft:
            draft.write_text(Template(text).substitute(values), "utf-8")
        paths.append(folder / name)
    return paths
