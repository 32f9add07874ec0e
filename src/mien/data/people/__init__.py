"""Rendered people: a morphable head, painted, lit and photographed, whose every movement is known exactly."""
