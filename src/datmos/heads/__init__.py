"""Heads on frozen embeddings: MultiGauss and its rivals, many members at once; saved, and predicting."""
