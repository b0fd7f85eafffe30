"""Clips with their ratings: your own, the published lists, and the simulated study."""
