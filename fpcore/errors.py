"""What can go wrong with a checkpoint or a pair, each with one clear line for people."""

from __future__ import annotations

from fpcore.printable import printable, shortened

__all__ = [
    "BadCheckpoint",
    "BadPlugin",
    "NoDevice",
    "NotComparable",
    "UnknownTensor",
    "UnreadableTensor",
    "abstention",
    "described",
    "first_line",
    "require",
]


class BadCheckpoint(Exception):
    """A checkpoint that cannot be used: what is wrong, where, and what to do, in one line.

    Examples
    --------
    >>> import fpcore
    >>> try:
    ...     fpcore.open_checkpoint("models/nowhere/at/all")
    ... except fpcore.BadCheckpoint as error:
    ...     print(error)
    models/nowhere/at/all: no such file or directory, and not of the form org/name[@revision]
    """

    def __str__(self) -> str:
        # Names of tensors, files and models stand in it as a stranger wrote them.
        return shortened(printable(super().__str__()))


class UnknownTensor(BadCheckpoint):
    """A tensor name that the architecture's table does not know; the message names both.

    Examples
    --------
    >>> import fpcore
    >>> model = fpcore.open_checkpoint("models/child")
    >>> tensors = {name: model.read(name) for name in model.tensors}
    >>> more = {"model.layers.0.mlp.extra.weight": tensors["model.norm.weight"]}
    >>> fpcore.MemoryCheckpoint("changed", "changed", model.config, tensors | more).roles
    Traceback (most recent call last):
        ...
    fpcore.errors.UnknownTensor: changed: tensor model.layers.0.mlp.extra.weight is not in the anatomy table
    of llama; say in fpcore/anatomy/tables/llama_like.py what it is for
    """


class BadPlugin(ImportError):
    """Another package's metric that cannot be imported, in one line that names metric and package."""


class NoDevice(Exception):
    """A device that this machine does not have, in one line.

    Examples
    --------
    >>> import fpcore
    >>> fpcore.open_checkpoint("models/child", device="gpu")
    Traceback (most recent call last):
        ...
    fpcore.errors.NoDevice: 'gpu' is not a device; known: cpu, cuda, cuda:0, cuda:1, …
    """


class NotComparable(Exception):
    """A metric is not defined for this model or pair: it abstains.

    Attributes
    ----------
    reason : str
        Why, in words a report can print.

    Examples
    --------
    >>> import fpcore
    >>> try:
    ...     fpcore.metric("qkv-bias-std").fingerprint(fpcore.open_checkpoint("models/child"))
    ... except fpcore.NotComparable as abstention:
    ...     print(abstention.reason)
    no query, key or value biases
    """

    def __init__(self, reason: str) -> None:
        self.reason = shortened(printable(reason))
        super().__init__(self.reason)


class UnreadableTensor(NotComparable):
    """One tensor that cannot be turned into numbers: what needs it abstains, and nothing else.

    The reason is one line: file, tensor, what is wrong, and what to do.

    Examples
    --------
    >>> import fpcore, torch
    >>> model = fpcore.open_checkpoint("models/child")
    >>> tensors = {name: model.read(name) for name in model.tensors}
    >>> query = "model.layers.0.self_attn.q_proj.weight"
    >>> changed = tensors | {query: tensors[query].to(torch.int8), query + "_scale": torch.ones(3)}
    >>> model = fpcore.MemoryCheckpoint("changed", "changed", model.config, changed)
    >>> model.roles["layers.0.attention.query.weight"].read()
    Traceback (most recent call last):
        ...
    fpcore.errors.UnreadableTensor: changed: tensor model.layers.0.self_attn.q_proj.weight: its scale of shape
    (3,) does not fit (16, 16); dequantise the model first
    """


def require(condition: bool, reason: str) -> None:
    """Abstain with `reason` unless `condition` holds.

    Raises
    ------
    NotComparable
        It does not.
    """
    if not condition:
        raise NotComparable(reason)


def abstention(error: NotComparable) -> str:
    """The reason of an abstention, whatever its author made of it, of bounded length."""
    reason = getattr(error, "reason", None)
    return shortened(reason) if isinstance(reason, str) else "(its reason cannot be read)"


def described(error: BaseException) -> str:
    r"""The class of an error and its message on one line of bounded length, whatever its author made of it.

    Examples
    --------
    >>> from fpcore.errors import described
    >>> described(ValueError("two\nlines"))
    'ValueError: two lines'
    >>> len(described(ValueError("long " * 10**6))) < 1000
    True
    """
    name, text = type(error).__name__[:100], " ".join(_text(error).split())
    return printable(shortened(f"{name}: {text}" if text else name))


def first_line(error: BaseException) -> str:
    """The class of an error and the first line of its message."""
    lines = _text(error).strip().splitlines()
    return f"{type(error).__name__}: {printable(lines[0][:160])}" if lines else type(error).__name__


def _text(error: BaseException) -> str:
    """The message of an error; that of somebody's own class may itself fail to be made."""
    try:
        return str(error)
    except Exception:
        return "(its message cannot be read)"
