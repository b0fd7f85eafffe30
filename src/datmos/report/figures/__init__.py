"""Pictures, one kind a file."""

import os

# Before matplotlib is imported: files are drawn. A notebook's choice may be one that matplotlib doesn't have here.
os.environ["MPLBACKEND"] = "agg"
