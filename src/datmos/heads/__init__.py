"""Trainable models on frozen embeddings: one head a file, and the registry of their kinds."""
