"""Checkpoint → fingerprint → score: what can be measured on a model's weights.

Open a model with :func:`open_checkpoint`; ask for a metric by name with :func:`metric`. Knows tensors;
knows nothing of catalogs or statistics.
"""

# Before the function of that name is bound: importing the package later would hide the function again.
import fpcore.metrics  # noqa: F401
from fpcore.checkpoints.architecture import Architecture
from fpcore.checkpoints.checkpoint import Checkpoint, MemoryCheckpoint, TensorInfo, open_checkpoint
from fpcore.errors import BadCheckpoint, NoDevice, NotComparable, UnknownTensor
from fpcore.fingerprint import Fingerprint
from fpcore.registry import Claim, Cost, Metric, metric, metrics, register

__all__ = [
    "Architecture",
    "BadCheckpoint",
    "Checkpoint",
    "Claim",
    "Cost",
    "Fingerprint",
    "MemoryCheckpoint",
    "Metric",
    "NoDevice",
    "NotComparable",
    "TensorInfo",
    "UnknownTensor",
    "metric",
    "metrics",
    "open_checkpoint",
    "register",
]
