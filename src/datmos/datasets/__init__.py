"""Kinds of datasets: each is a function that lists clips with their ratings, and one line of the registry."""
