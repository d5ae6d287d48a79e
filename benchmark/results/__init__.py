"""What a run found, as typed values, and the files that hold it."""
