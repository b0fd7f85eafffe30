"""Scores of any audio by a trained model, in Python, from the command line, on one machine or many."""
