"""The web demo: drop a file, see its scores."""
