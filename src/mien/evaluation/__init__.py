"""Evaluation: metrics with intervals, calibration, and the report of a model on a labelled split."""
