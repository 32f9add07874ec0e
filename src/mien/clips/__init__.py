"""When: which frames of a stored clip are seen (``indices``), windows over the tracks of a stream (``windows``)."""
