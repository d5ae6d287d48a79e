"""A proposed metric judged beside the baselines: the run, its gates, and its card."""
