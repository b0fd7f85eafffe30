"""The web demo: drop a file, see its scores."""

import datmos.report.figures  # noqa: F401  chooses matplotlib's backend before anything imports it
