"""Checkpoints as people have them: local folders, the hub, GGUF, packed storage."""
