"""Showing a result: tables, annotated video, timeline."""
