"""Pictures for papers, by matplotlib: sized for a column, text as text, the same bytes for the same numbers."""
