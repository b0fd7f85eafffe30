"""What all packages share: errors, files, places, seeds, devices, and the tables that pass between stages."""
