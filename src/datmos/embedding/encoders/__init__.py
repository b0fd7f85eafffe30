"""Frozen SSL encoders: one family a file, and the registry of their kinds."""
