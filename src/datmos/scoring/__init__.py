"""Scoring audio with trained models: windows, models, results, and the command."""
