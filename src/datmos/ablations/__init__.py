"""Trainings on the side, of which only predictions are kept: other numbers of domains."""
