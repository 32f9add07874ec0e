"""Why this label: where in the face, and when, a model's answer comes from, and what theory would expect."""
