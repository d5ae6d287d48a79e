"""Checkpoint → fingerprint → score: what can be measured on a model's weights.

Open a model with :func:`open_checkpoint`; ask for a metric by name with :func:`metric`. Knows tensors;
knows nothing of catalogs or statistics.
"""

# Before the function of that name is bound: importing the package later would hide the function again.
import fpcore.metrics  # noqa: F401
from fpcore.anatomy import Architecture
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.in_memory import MemoryCheckpoint
from fpcore.checkpoints.open import open_checkpoint
from fpcore.checkpoints.sampled import SampledCheckpoint
from fpcore.errors import BadCheckpoint, NoDevice, NotComparable, UnknownTensor, UnreadableTensor
from fpcore.fingerprint import Fingerprint
from fpcore.memo import Memo
from fpcore.protocol import Claim, Cost, Metric
from fpcore.registry import metric, metrics, register
from fpcore.remote.folder import Fetching
from fpcore.sampling import Estimate, Sample
from fpcore.storage.tensor_source import TensorInfo

__all__ = [
    "Architecture",
    "BadCheckpoint",
    "Checkpoint",
    "Claim",
    "Cost",
    "Estimate",
    "Fetching",
    "Fingerprint",
    "Memo",
    "MemoryCheckpoint",
    "Metric",
    "NoDevice",
    "NotComparable",
    "Sample",
    "SampledCheckpoint",
    "TensorInfo",
    "UnknownTensor",
    "UnreadableTensor",
    "metric",
    "metrics",
    "open_checkpoint",
    "register",
]
