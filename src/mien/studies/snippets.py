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
found <- list()
for (one in unique(scores$$label)) {
  part <- scores[scores$$label == one & !is.na(scores$$$score), ]
  people <- length(unique(part$$person))
  cat("\\n", one, ": ", nrow(part), " rows of ", people, " people, $score ~ $r_formula\\n", sep = "")
  if (nrow(part) < 4 || length(unique(part$$$score)) < 2) {
    cat("not fitted: fewer than 4 rows, or all alike\\n")
    next
  }
  model <- $call($score ~ $r_formula, data = part)
  fixed <- summary(model)$$coefficients
  limits <- $limits[rownames(fixed), , drop = FALSE]
  p <- if (ncol(fixed) > 3) fixed[, ncol(fixed)] else NA
  table <- data.frame(
    term = rownames(fixed), estimate = fixed[, 1], low = limits[, 1], high = limits[, 2], p = p, row.names = NULL
  )
  print(table, row.names = FALSE)
  found[[one]] <- cbind(label = one, rows = nrow(part), people = people, table)
}
if (length(found)) {
  write.csv(do.call(rbind, found), "$r_written", row.names = FALSE)
  cat("\\nestimates, 95 % intervals low to high, and p: ", normalizePath("$r_written"), "\\n", sep = "")
}
"""

PYTHON = """\
# $what
# Run in this folder: python model.py. Needs pandas and statsmodels.
from pathlib import Path

import pandas as pd
import statsmodels.formula.api as smf

scores = pd.read_csv("../$table", dtype={"person": str, "condition": str, "trial_type": str, "label": str})
scores = scores[$python_rows]
found = []
for label, part in scores.groupby("label", sort=False):
    part = part.dropna(subset=["$score"])
    people = part["person"].nunique()
    print(f"\\n{label}: {len(part)} rows of {people} people, $python_formula")
    if len(part) < 4 or part["$score"].nunique() < 2:
        print("not fitted: fewer than 4 rows, or all alike")
        continue
    model = $python_call
    table = pd.DataFrame({"estimate": model.params, "p": model.pvalues})
    table[["low", "high"]] = model.conf_int()
    table = table.loc[model.model.exog_names, ["estimate", "low", "high", "p"]].rename_axis("term").reset_index()
    print(table.to_string(index=False))
    found.append(table.assign(label=label, rows=len(part), people=people))
if found:
    written = Path("$python_written")
    pd.concat(found)[["label", "rows", "people", *table]].to_csv(written, index=False)
    print(f"\\nestimates, 95 % intervals low to high, and p: {written.resolve()}")
"""
R_WRITTEN, PYTHON_WRITTEN = "model-r.csv", "model-python.csv"
"""What the programs write, beside themselves."""


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
    """Write model.R and model.py into ``folder``, without what earlier ones found; returns the paths."""
    fixed = (" * ".join(design.factors) if design.crossed else design.factors[-1]) if design.factors else "1"
    score = "mean_corrected" if design.corrected else "mean"
    python = f"{score} ~ {fixed}"
    fit = f'mixedlm("{python}", part, groups=part["person"])' if design.repeated else f'ols("{python}", part)'
    limits = 'confint(model, parm = "beta_", method = "Wald")' if design.repeated else "confint(model)"
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
        "limits": limits,
        "python_formula": f"{python}, people at random" if design.repeated else python,
        "python_call": f"smf.{fit}.fit()",
        "r_written": R_WRITTEN,
        "python_written": PYTHON_WRITTEN,
    }
    for name in (R_WRITTEN, PYTHON_WRITTEN):
        (folder / name).unlink(missing_ok=True)
    paths = []
    for name, text in (("model.R", R), ("model.py", PYTHON)):
        with whole_file(folder / name) as draft:
            draft.write_text(Template(text).substitute(values), "utf-8")
        paths.append(folder / name)
    return paths
