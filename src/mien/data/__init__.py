"""Labelled images and clips: reading data sets, transforms."""
