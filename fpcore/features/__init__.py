"""What several metrics compute of weights: moments, curves, a canonical form, assignments."""
