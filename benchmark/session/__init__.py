"""What every verb stands on: errors, progress, files, cache."""
