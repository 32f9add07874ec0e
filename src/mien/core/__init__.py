"""The words of the trade, NumPy only: types, labels, errors, registry, settings. Imports no other room."""
