"""Tensors as files hold them, and as real numbers: the only place that knows storage formats."""
