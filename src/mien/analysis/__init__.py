"""Use of a trained model: a source goes in, spans of shown expressions come out."""
