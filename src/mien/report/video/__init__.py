"""The video or picture once more, with what was read from it drawn in."""
