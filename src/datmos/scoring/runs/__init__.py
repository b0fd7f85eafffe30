"""Runs of `datmos score`: what goes in, rows that come out, and how a run goes on after a kill."""
