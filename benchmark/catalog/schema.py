"""The file's form: what may stand in lineage_catalog.yaml, checked by pydantic at the boundary only."""

from __future__ import annotations

import itertools
import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from benchmark.catalog.model import FORGERIES, GRADES, METHODS, STATUSES
from benchmark.catalog.publications import QUANTITIES, READINGS

__all__ = ["CatalogFile", "json_schema"]

DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
SOURCE = re.compile(r"https?://\S+|arXiv:\d{4}\.\d{4,5}(v\d+)?|doi:\S+|this repository: \S.*")


def _one_or_many(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _date(value: str) -> str:
    if not DATE.fullmatch(value):
        raise ValueError("write a date as YYYY, YYYY-MM or YYYY-MM-DD")
    return value


def _source(value: str) -> str:
    if not SOURCE.fullmatch(value):
        raise ValueError('write a URL, "arXiv:2507.03014", "doi:…" or "this repository: <where>"')
    return value


def _year_as_text(value: object) -> object:
    return str(value) if type(value) is int else value


#: Fields whose list may be written as one item.
ONE_OR_MANY = frozenset(
    {
        "evidence",
        "from_scratch",
        "aliases",
        "corpus",
        "shared_init_with",
        "controls",
        "published",
        "outside",
    }
)

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^\S+$", description="no spaces")]
Repository = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
Count = Annotated[int, Field(gt=0)]
Date = Annotated[str, BeforeValidator(_year_as_text), AfterValidator(_date)]
Where = Annotated[
    str,
    AfterValidator(_source),
    Field(description='URL, "arXiv:2507.03014", "doi:…" or "this repository: <where>"'),
]


class Form(BaseModel):
    """Strict: no unknown fields, no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EvidenceForm(Form):
    """Why something is believed."""

    grade: Literal[GRADES] = Field(  # type: ignore[valid-type]
        description="publisher: the maker's card or report; paper: someone else's article; card: a third "
        "party's own tag; weights: inferred from weights, which never calibrates"
    )
    source: Where
    says: Text = Field(description="what the source says, in our own words")


EvidenceList = Annotated[list[EvidenceForm], BeforeValidator(_one_or_many), Field(min_length=1)]
Names = Annotated[list[Name], BeforeValidator(_one_or_many)]
Texts = Annotated[list[Text], BeforeValidator(_one_or_many)]


class FactsForm(Form):
    """Architecture facts; leave out what is not known."""

    model_type: Name
    depth: Count | None = None
    width: Count | None = None
    heads: Count | None = None
    kv_heads: Count | None = None
    feed_forward: Count | None = Field(
        default=None, description="inner width (of one expert, if there are experts)"
    )
    experts: Annotated[int, Field(ge=0)] | None = Field(default=None, description="routed experts")
    qkv_bias: bool | None = None
    norm: Literal["rmsnorm", "layernorm"] | None = None
    head_dim: Count | None = None
    vocabulary: Count | None = None
    tied: bool | None = Field(default=None, description="whether input and output embeddings are one matrix")


class SourceForm(Form):
    """Where the weights are: one of hub, zoo and path."""

    hub: Repository | None = Field(default=None, description="org/name")
    revision: Text | None = None
    zoo: Name | None = Field(default=None, description="recipe name")
    path: Text | None = Field(
        default=None, description="a directory or file on this machine, relative to the catalog's folder"
    )
    unavailable: Text | None = Field(
        default=None, description="why the weights cannot be fetched, such as withdrawn or never released"
    )

    @model_validator(mode="after")
    def _one_place(self) -> SourceForm:
        places = sum(place is not None for place in (self.hub, self.zoo, self.path))
        if self.unavailable is not None and (self.zoo or self.path):
            raise ValueError("unavailable goes with hub, or stands alone")
        if places != 1 and not (places == 0 and self.unavailable):
            raise ValueError("give one of hub: org/name, zoo: recipe-name and path: directory")
        if self.hub is None and self.revision is not None:
            raise ValueError("revision is only for a hub source; remove it")
        return self


class ParentForm(Form):
    """One derivation, written at the child."""

    of: Name = Field(description="id of the parent")
    method: Literal[METHODS]  # type: ignore[valid-type]
    detail: Name | None = Field(default=None, description="fp8, slerp, unit-permutation, …")
    evidence: EvidenceList | None = Field(default=None, description="a zoo recipe is its own")


class TeacherForm(Form):
    """A model whose outputs the student was trained on."""

    of: Name
    evidence: EvidenceList | None = None


class ForgeryForm(Form):
    """What a model was forged for, its function kept; a zoo recipe says it by itself."""

    kind: Literal[FORGERIES] = Field(  # type: ignore[valid-type]
        description="frame: an unrelated model made to look related to the target; evade: a descendant of "
        "the target made to look unrelated"
    )
    aimed_at: Name = Field(description="the metric to be deceived")
    target: Name = Field(description="id of the model it should look like, or unlike")


class TrainingForm(Form):
    """How a real model was trained, as far as stated: what look-alikes can have in common."""

    initialisation: Text | None = Field(
        default=None,
        description="name of the random draw, for founders of one shape that started from the same weights",
    )
    seed: Text | int | None = None
    order: Text | int | None = Field(default=None, description="order in which the corpus was read")
    schedule: Text | None = Field(
        default=None, description="name of the schedule: optimiser, learning rates, batches and length"
    )
    steps: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="optimiser steps since its parent, or since its start"
    )
    budget: Count | None = Field(default=None, description="optimiser steps of the whole run")
    tokens_per_step: Count | None = None


class ModelForm(Form):
    """One model."""

    id: Name
    source: SourceForm
    aliases: Names = Field(default=[], description="re-uploads and mirrors of the same weights")
    publisher: Text | None = None
    date: Date | None = Field(default=None, description="date of date of first public release")
    corpus: Texts = []
    tokenizer: Text | None = Field(default=None, description="tokenizer family")
    cell: Name | None = Field(default=None, description="a name under `cells`")
    architecture: FactsForm | None = None
    parameters: Count | None = None
    parents: list[ParentForm] = []
    from_scratch: EvidenceList | None = None
    shared_init_with: Names = []
    distilled_from: list[TeacherForm] = []
    forgery: ForgeryForm | None = None
    evidence: EvidenceList | None = None
    recipe: dict[str, object] | None = None
    training: TrainingForm | None = Field(default=None, description="a zoo model takes it from its recipe")
    family: Text | None = Field(default=None, description="models that differ only in known respects")
    notes: Text | None = None

    @model_validator(mode="after")
    def _no_contradiction(self) -> ModelForm:
        if self.cell is not None and self.architecture is not None:
            raise ValueError("give cell or architecture, not both")
        if self.training and self.recipe:
            raise ValueError("gives recipe and training; the recipe of a zoo model says how it is trained")
        if self.parents and self.from_scratch:
            raise ValueError(
                "has parents and a from_scratch statement; a contradiction belongs under disputes"
            )
        if self.parents and self.shared_init_with:
            raise ValueError("shared_init_with is for founders; this one has parents")
        return self


class RunForm(Form):
    """Points of a model's own training that are published, as branches or as repositories of their own."""

    steps: list[Annotated[int, Field(ge=0)]] | dict[Name, Annotated[int, Field(ge=0)]] = Field(
        description="optimiser steps, rising, all before the end; or the name of each → steps", min_length=1
    )
    budget: Count = Field(description="steps of the whole run; the model itself is its end")
    branch: Text | None = Field(default=None, description="such as step{step}")
    repository: Text | None = Field(default=None, description="org/name with {step} where each is one")
    evidence: EvidenceList

    @model_validator(mode="after")
    def _rising(self) -> RunForm:
        steps = list(self.steps.values() if isinstance(self.steps, dict) else self.steps)
        if (self.branch is None) == (self.repository is None):
            raise ValueError("give branch or repository, one of the two")
        if "{step}" not in (self.branch or self.repository or ""):
            raise ValueError("branch and repository hold {step}")
        if any(later <= earlier for earlier, later in itertools.pairwise([*steps, self.budget])):
            raise ValueError(f"steps rise and stay below the budget of {self.budget}")
        return self


class FamilyForm(Form):
    """Models that differ in known things only, written once: {axis} in the model's text is filled in."""

    name: Text
    axes: dict[Name, list[Text | int] | dict[Name, dict[str, object]]] = Field(
        description="axis → values, or value → the fields that it sets", min_length=1
    )
    leave_out: list[dict[Name, Text | int]] = Field(default=[], description="members that do not exist")
    model: dict[str, object] = Field(description="an entry as under `models`")
    run: RunForm | None = None


class FigureForm(Form):
    """A published number about a pair."""

    metric: Name
    pair: Annotated[list[Name], Field(min_length=2, max_length=2)]
    value: float


class StatementForm(Form):
    """What one side says."""

    by: Text
    says: Text
    source: Where
    figures: list[FigureForm] = []
    published: Names = Field(default=[], description="ids under `published` whose scores it rests on")


class DisputeForm(Form):
    """A claim of derivation that is, or was, contested."""

    id: Name
    title: Text
    models: Annotated[list[Name], Field(min_length=1)] = Field(
        description="alleged child first; * in a name matches anything"
    )
    status: Literal[STATUSES]  # type: ignore[valid-type]
    claims: Annotated[list[StatementForm], Field(min_length=1)]
    replies: list[StatementForm] = []
    controls: Names = []
    settled_by: Text = Field(description="what settled it, or would")


class PublishedScoreForm(Form):
    """One published number about a pair of real models."""

    pair: Annotated[list[Name], Field(min_length=2, max_length=2)] = Field(
        description="catalog ids; models that are not in the catalog are listed under `outside`"
    )
    value: float
    metric: Name | None = Field(default=None, description="where it differs from the publication's")
    quantity: Literal[tuple(QUANTITIES)] | None = Field(  # type: ignore[valid-type]
        default=None, description="where it differs from the publication's"
    )
    where: Text | None = Field(default=None, description="table, figure or file")


class PublicationForm(Form):
    """Where scores of real pairs were published. They label nothing and calibrate nothing."""

    id: Name
    by: Text
    source: Where
    says: Text = Field(description="what the numbers are, in our own words")
    read: Literal[tuple(READINGS)] = Field(  # type: ignore[valid-type]
        default="source",
        description="source: read there; quoted: as others quote it; computed: here, from published values",
    )
    metric: Name | None = Field(default=None, description="of its scores, unless one says otherwise")
    quantity: Literal[tuple(QUANTITIES)] = Field(  # type: ignore[valid-type]
        default="score",
        description="score: of the metric as defined here; part: of one of its parts; transformed: on the "
        "authors' own scale; z, p-value, probability. Only a score can stand among those of a run",
    )
    outside: Names = Field(default=[], description="models of its pairs that are not in the catalog")
    scores: Annotated[list[PublishedScoreForm], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> PublicationForm:
        for number, score in enumerate(self.scores):
            if score.metric is None and self.metric is None:
                raise ValueError(f"scores[{number}] has no metric; give one there or for the publication")
            if score.pair[0] == score.pair[1]:
                raise ValueError(
                    f"scores[{number}].pair names {score.pair[0]} twice; a pair needs two models"
                )
            quantity = score.quantity or self.quantity
            if quantity in {"p-value", "probability"} and not 0 <= score.value <= 1:
                raise ValueError(f"scores[{number}].value {score.value:g} is no {quantity}; it is in [0, 1]")
        return self


class CatalogFile(Form):
    """The whole document."""

    schema_version: Literal[1] = Field(alias="schema")
    cells: dict[Name, FactsForm] = Field(default={}, description="shapes that several models share")
    families: list[FamilyForm] = []
    models: Annotated[list[ModelForm], Field(min_length=1)] = []
    published: list[PublicationForm] = Field(
        default=[], description="scores of real pairs that somebody published: shown, never used"
    )
    disputes: list[DisputeForm] = []

    @model_validator(mode="after")
    def _not_empty(self) -> CatalogFile:
        if not self.models and not self.families:
            raise ValueError("a catalog needs `models:` or `families:` with at least one entry")
        return self


def json_schema() -> str:
    """JSON schema of the catalog file, for editors; the committed copy is tested to be current.

    Returns
    -------
    str
        JSON text with a final newline.
    """
    document = CatalogFile.model_json_schema(by_alias=True)
    _accept_single_items(document)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "lineage catalog"
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _accept_single_items(node: object) -> None:
    """Lists that may be written as one item: say so, as pydantic's validators do on load."""
    if isinstance(node, list):
        for item in node:
            _accept_single_items(item)
    if not isinstance(node, dict):
        return
    for name, value in node.get("properties", {}).items():
        if name not in ONE_OR_MANY:
            continue
        choices = value.get("anyOf", [value])
        arrays = [choice for choice in choices if choice.get("type") == "array"]
        if arrays:
            meta = {key: value.pop(key) for key in ("default", "description", "title") if key in value}
            node["properties"][name] = {"anyOf": [*choices, arrays[0]["items"]], **meta}
    for value in node.values():
        _accept_single_items(value)
    if "date" in node.get("properties", {}):
        node["properties"]["date"]["anyOf"].append({"type": "integer"})
