"""Strategies against each other: differences, and whether chance explains them."""
