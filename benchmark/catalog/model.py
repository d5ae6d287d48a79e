"""What the catalog holds, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from analysis.notebook import Shown
from fpcore.anatomy.architecture import Architecture, Norm

__all__ = [
    "CALIBRATING_GRADES",
    "FORGERIES",
    "GRADES",
    "METHODS",
    "OWN_RUN",
    "SHAPE_KEEPING",
    "STATUSES",
    "TRAINING_METHODS",
    "Dispute",
    "Evidence",
    "Facts",
    "Figure",
    "Forgery",
    "HubSource",
    "Model",
    "Parent",
    "PathSource",
    "Statement",
    "Teacher",
    "ZooSource",
]

METHODS: Final = (
    "fine-tune",
    "instruct-tune",
    "rl",
    "adapter-merge",
    "continued-pretrain",
    "vocabulary-swap",
    "multimodal-extend",
    "merge",
    "depth-upscale",
    "depth-prune",
    "width-prune",
    "moe-upcycle",
    "quantise",
    "cast",
    "distil-init",
    "re-upload",
    "launder",
)

#: Methods that train the parent's network further and leave its shape alone.
TRAINING_METHODS: Final = frozenset(
    {
        "fine-tune",
        "instruct-tune",
        "rl",
        "adapter-merge",
        "continued-pretrain",
        "vocabulary-swap",
        "multimodal-extend",
    }
)

#: Details by which a family's run goes from one of its points to the next. From the initialisation on it is
#: not what people call continued pre-training: a row of its own.
OWN_RUN: Final = ("from-initialisation", "own-run")

#: Methods whose child stands in its parent's architecture cell unless the catalog says otherwise.
SHAPE_KEEPING: Final = frozenset(METHODS) - {
    "depth-upscale",
    "depth-prune",
    "width-prune",
    "moe-upcycle",
    "distil-init",
}

#: Best first. `weights` is inferred from weights: using it to calibrate a weight metric would be circular.
GRADES: Final = ("publisher", "paper", "card", "weights")
CALIBRATING_GRADES: Final = frozenset({"publisher", "paper", "card"})

#: frame: an unrelated model made to look related to its target. evade: a descendant of its target made to
#: look unrelated to it. The function is kept in both.
FORGERIES: Final = ("frame", "evade")

#: open: unproven, its pairs are "disputed". The others leave the labels of the graph alone.
STATUSES: Final = ("open", "retracted", "confirmed", "unsupported")


@dataclass(frozen=True)
class Evidence:
    """Why a statement is believed: grade, where it stands, and what it says in our words."""

    grade: str
    source: str
    says: str


@dataclass(frozen=True)
class Parent:
    """One derivation: the child carries this, pointing at what its weights started from."""

    id: str
    method: str
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def label(self) -> str:
        """The method as score tables spell it: ``fine-tune``, or ``cast:fp8`` when there is a detail."""
        return f"{self.method}:{self.detail}" if self.detail else self.method

    @property
    def calibrates(self) -> bool:
        """Whether something other than the weights themselves says so."""
        return any(item.grade in CALIBRATING_GRADES for item in self.evidence)


@dataclass(frozen=True)
class Teacher:
    """A model whose outputs (not weights) the student was trained on."""

    id: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Forgery:
    """What a forged model was made for.

    Attributes
    ----------
    kind : str
        One of `FORGERIES`.
    aimed_at : str
        The metric that is to be deceived.
    target : str
        The model it is made to look related to (frame), or unrelated to (evade).
    """

    kind: str
    aimed_at: str
    target: str

    def __str__(self) -> str:
        aim = "frames" if self.kind == "frame" else "evades"
        return f"{aim} {self.target} in {self.aimed_at}"


@dataclass(frozen=True)
class HubSource:
    """A repository ``org/name`` on the hub; `unavailable` says why it cannot be fetched, if so."""

    repository: str
    revision: str | None = None
    unavailable: str = ""

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


@dataclass(frozen=True)
class ZooSource:
    """A controlled model of this project, by recipe name."""

    name: str

    def __str__(self) -> str:
        return f"zoo:{self.name}"


@dataclass(frozen=True)
class PathSource:
    """A checkpoint on this machine: a directory or file, relative to the catalog's own folder."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Facts:
    """Architecture facts as far as they are known; None is unknown. Fields as in `fpcore.Architecture`."""

    model_type: str
    depth: int | None = None
    width: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    feed_forward: int | None = None
    experts: int | None = None
    qkv_bias: bool | None = None
    norm: Norm | None = None
    head_dim: int | None = None
    vocabulary: int | None = None
    tied: bool | None = None

    @property
    def complete(self) -> Architecture | None:
        """The shape as fpcore describes it; None unless every fact that decides the cell is known.

        ``experts`` unknown counts as none: a dense model need not say so.
        """
        if (
            self.depth is None
            or self.width is None
            or self.heads is None
            or self.kv_heads is None
            or self.feed_forward is None
            or self.qkv_bias is None
            or self.norm is None
        ):
            return None
        return Architecture(
            model_type=self.model_type,
            depth=self.depth,
            width=self.width,
            heads=self.heads,
            kv_heads=self.kv_heads,
            feed_forward=self.feed_forward,
            experts=self.experts or 0,
            vocabulary=self.vocabulary,
            qkv_bias=self.qkv_bias,
            norm=self.norm,
            head_dim=self.head_dim,
            tied=self.tied,
        )

    @property
    def cell(self) -> str | None:
        """Name of the architecture cell, the one a checkpoint of this shape gives; None if unknown."""
        shape = self.complete
        return shape.cell if shape else None

    @classmethod
    def of(cls, shape: Architecture) -> Facts:
        """The facts that a checkpoint shows."""
        return cls(**{f.name: getattr(shape, f.name) for f in fields(cls)})

    def known(self) -> dict[str, int | bool | str]:
        """The facts that are known, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


@dataclass(frozen=True)
class Model(Shown):
    """One entry of the catalog.

    Attributes
    ----------
    id : str
    source : HubSource, ZooSource or PathSource
    aliases : tuple of str
        Other places of the same weights (re-uploads, mirrors): one model, never a pair.
    publisher, date, tokenizer : str
        Who made it, first public release (YYYY, YYYY-MM or YYYY-MM-DD), tokenizer family. Empty if unknown.
    corpus : tuple of str
        What it was trained on, as far as stated.
    architecture : Facts or None
    parameters : int or None
        Parameter count.
    parents : tuple of Parent
        None for a founder.
    from_scratch : tuple of Evidence
        Statements that training began from the model's own random initialisation.
    shared_init_with : tuple of str
        Founders that began from the same random numbers.
    distilled_from : tuple of Teacher
    forgery : Forgery or None
        What it was forged for; it then descends from its one parent, and stands in no honest pair.
    evidence : tuple of Evidence
        For the other facts.
    recipe : mapping
        How the zoo makes it; plain data, read by the zoo.
    stated_training : mapping
        How another model was trained, as far as its maker says; see `training`.
    family : str
        Models that differ in known things only; empty for others.
    notes : str
    line : int
        Where the entry stands in its file.
    """

    id: str
    source: HubSource | ZooSource | PathSource
    aliases: tuple[str, ...] = ()
    publisher: str = ""
    date: str = ""
    corpus: tuple[str, ...] = ()
    tokenizer: str = ""
    architecture: Facts | None = None
    parameters: int | None = None
    parents: tuple[Parent, ...] = ()
    from_scratch: tuple[Evidence, ...] = ()
    shared_init_with: tuple[str, ...] = ()
    distilled_from: tuple[Teacher, ...] = ()
    forgery: Forgery | None = None
    evidence: tuple[Evidence, ...] = ()
    recipe: Mapping[str, object] = field(default_factory=dict)
    stated_training: Mapping[str, object] = field(default_factory=dict)
    family: str = ""
    notes: str = ""
    line: int = 0

    @property
    def remote(self) -> bool:
        """Whether its weights lie on the hub and not on this machine."""
        return isinstance(self.source, HubSource)

    @property
    def available(self) -> bool:
        """Whether its weights can be had at all; a withdrawn or unreleased model is known by its disputes."""
        return not (isinstance(self.source, HubSource) and self.source.unavailable)

    @property
    def founder(self) -> bool:
        """Whether no parent is known."""
        return not self.parents

    @property
    def training(self) -> Mapping[str, object]:
        """How it is trained: as the recipe of a zoo model says, or as is stated of another."""
        trained = self.recipe.get("train")
        return trained if isinstance(trained, Mapping) else self.stated_training

    @property
    def training_steps(self) -> int | None:
        """Steps since its parent, or since its start; None if unknown."""
        steps = self.training.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def stated_from_scratch(self) -> bool:
        """Whether its maker or a paper says that it began from its own random initialisation."""
        return any(item.grade in {"publisher", "paper"} for item in self.from_scratch)

    @property
    def known_by_card(self) -> bool:
        """Whether its publisher and date are known by tags on the hub alone."""
        return bool(self.evidence) and all(item.grade == "card" for item in self.evidence)

    @property
    def cell(self) -> str | None:
        """Architecture cell, None if unknown."""
        return self.architecture.cell if self.architecture else None

    def _facts(self) -> dict[str, object]:
        names = ("id", "source", "publisher", "date", "corpus", "tokenizer", "cell", "parameters", "notes")
        facts = {name: getattr(self, name) for name in names}
        facts["parents"] = {parent.id: parent.label for parent in self.parents}
        return {name: value for name, value in facts.items() if value}


@dataclass(frozen=True)
class Figure:
    """A published number about one pair of catalog models.

    Attributes
    ----------
    metric : str
        By its name.
    pair : tuple of two str
        Catalog ids.
    value : float
        As published.
    """

    metric: str
    pair: tuple[str, str]
    value: float


@dataclass(frozen=True)
class Statement:
    """What one side of a dispute says, with its figures.

    Attributes
    ----------
    by, says, source : str
        Who, what in our own words, and where.
    figures : tuple of Figure
        The numbers given for it.
    """

    by: str
    says: str
    source: str
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Dispute:
    """A lineage claimed by some and denied or unproven.

    Attributes
    ----------
    id, title : str
        Its name in the catalog, and for people.
    models : tuple of str
        The models whose relation is in question, alleged child first.
    status : str
        One of `STATUSES`.
    claims, replies : tuple of Statement
        What is said for derivation, and against it.
    controls : tuple of str
        Catalog models named as comparisons.
    settled_by : str
        What settled it, or would.
    line : int
        Where it stands in the catalog's file.
    """

    id: str
    title: str
    models: tuple[str, ...]
    status: str
    claims: tuple[Statement, ...]
    replies: tuple[Statement, ...] = ()
    controls: tuple[str, ...] = ()
    settled_by: str = ""
    line: int = 0

    @property
    def open(self) -> bool:
        """Whether its pairs are labelled disputed."""
        return self.status == "open"
