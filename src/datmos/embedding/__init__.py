"""Frozen SSL encoders, and the embeddings of all clips."""
