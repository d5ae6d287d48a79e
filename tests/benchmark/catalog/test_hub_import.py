"""`catalog import` on the loopback hub: entries by its metadata, better evidence kept, nothing hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Said, command
from loopback_hub import Fault, LoopbackHub, loopback_hub
from small_catalog import CONFIG, as_yaml, tensors, write_checkpoint

from benchmark.catalog import CatalogError, load_catalog, parse_catalog, shipped_catalog
from benchmark.catalog.document import read_document
from benchmark.catalog.hub_import import import_models
from benchmark.catalog.yaml_text import appended, entries_text
from benchmark.session.errors import UsageError
from fpcore.remote import patience

pytestmark = pytest.mark.thorough

CELL = "llama 5x16 h2/2 f24 rmsnorm"
RELATION = "base_model_relation"
SCRATCH = {"grade": "publisher", "source": "https://example.org/a", "says": "trained from scratch"}
MINE = """\
# my own models
schema: 1

cells:
  small: {model_type: llama, depth: 5, width: 16, heads: 2, kv_heads: 2, feed_forward: 24, qkv_bias: false,
          norm: rmsnorm}

models:
  # the one that counts
  - id: lab/base       # as we call it
    source: {hub: lab/base}
    publisher: Lab
    date: 2024-01
    cell: small
    from_scratch: {grade: publisher, source: "https://example.org/a", says: trained from scratch}

# what is contested
disputes:
  - id: d
    title: whose it is
    models: [lab/contested, lab/base]
    status: unsupported
    claims: [{by: someone, says: "it is", source: "https://example.org/d"}]
    settled_by: a statement
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("weights") / "model"
    write_checkpoint(place, tensors(0))
    return place


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    with loopback_hub(tmp_path / "hub-cache") as served:
        yield served


@pytest.fixture
def put(hub: LoopbackHub, folder: Path) -> Any:
    """Serves the weights under a name, with a card."""

    def put_model(name: str, card: dict[str, Any] | None = None, **facts: Any) -> None:
        hub.add_folder(name, folder)
        held = hub.repository(name)
        held.card = card
        for key, value in facts.items():
            setattr(held, key, value)

    return put_model


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace("[lab/contested, lab/base]", "[lab/base, lab/other]"))
    path.write_text(path.read_text().partition("# what is contested")[0])
    return path


def imported(tmp_path: Path, *arguments: object) -> Said:
    return command("catalog", "import", *arguments, cache=tmp_path / "cache")


def entry(path: Path, name: str) -> dict[str, Any]:
    document = read_document(path.read_text(), str(path)).value
    assert isinstance(document, dict)
    models: list[dict[str, Any]] = document["models"]
    return next(model for model in models if model["id"] == name)


def test_an_entry_says_what_the_hub_says(hub: LoopbackHub, put: Any, mine: Path, tmp_path: Path) -> None:
    before = mine.read_text()
    put("lab/base")
    put(
        "u/tuned",
        {"base_model": "lab/base", RELATION: "finetune", "license": "mit"},
        created="2024-06-02T10:00:00.000Z",
        parameters=4321,
    )
    said = imported(tmp_path, "u/tuned", "--catalog", mine)
    assert said.code == 0, said.err
    assert said.out == "u/tuned: written; from lab/base by fine-tune\n"
    after = mine.read_text()
    assert after.startswith(before.rstrip("\n")), "what was there stays, to the letter"
    made = entry(mine, "u/tuned")
    assert made["source"] == {"hub": "u/tuned", "revision": hub.repository("u/tuned").branches["main"]}
    assert (made["publisher"], made["date"], made["parameters"]) == ("u", "2024-06-02", 4321)
    (parent,) = made["parents"]
    assert (parent["of"], parent["method"]) == ("lab/base", "fine-tune")
    assert parent["evidence"]["grade"] == made["evidence"]["grade"] == "card"
    assert "base_model lab/base, base_model_relation finetune" in parent["evidence"]["says"]
    catalog = load_catalog(mine)
    assert catalog.model("u/tuned").cell == CELL
    assert catalog.relation("u/tuned", "lab/base") == "derived"
    check = command("catalog", "check", mine, cache=tmp_path / "cache")
    assert check.code == 0, check.err
    assert "1 publisher" not in check.out
    assert "1 card (best grade of each derivation)" in check.out


@pytest.mark.parametrize(
    ("card", "tags", "says", "method"),
    [
        ({"base_model": ["lab/base"]}, ["base_model:lab/base", "base_model:finetune:lab/base"],
         "the card states no relation, the hub infers finetune", "fine-tune"),
        ({"base_model": "lab/base", RELATION: "quantized"}, [], "relation quantized", "quantise"),
        ({"base_model": "lab/base", RELATION: "adapter"}, [], "relation adapter", "adapter-merge"),
        ({"base_model": ["lab/base", "lab/two"], RELATION: "merge"}, [], "merge", "merge"),
        ({"base_model": "lab/base"}, [], "the relation is not stated", None),
        ({"base_model": "lab/base", RELATION: "distill"}, [], "'distill' is a relation for which", None),
        ({"base_model": "lab/base", RELATION: "merge"}, [], "a merge has two or more parents", None),
        ({"base_model": ["lab/base", "lab/two"], RELATION: "finetune"}, [], "it names 2 bases", None),
        ({"base_model": "/models/base", RELATION: "finetune"}, [], "is not of the form org/name", None),
        ({"base_model": "u/m", RELATION: "finetune"}, [], "it names itself", None),
        ({"base_model": {"name": "lab/base"}}, [], None, None),
        ({"base_model": None}, [], None, None),
        (None, [], None, None),
    ],
)  # fmt: skip
def test_relations_become_methods(
    put: Any, mine: Path, card: dict[str, Any] | None, tags: list[str], says: str | None, method: str | None
) -> None:
    put("lab/base")
    put("lab/two")
    put("u/m", card, tags=tags)
    done = import_models(["u/m"], mine, with_parents=True)
    made = entry(mine, "u/m")
    told = next(one.says for one in done.outcomes if one.model == "u/m")
    assert [parent["method"] for parent in made.get("parents", [])] == [method] * len(made.get("parents", []))
    assert bool(made.get("parents")) == (method is not None)
    if method == "merge":
        assert [parent["of"] for parent in made["parents"]] == ["lab/base", "lab/two"]
    if says is None:
        assert "notes" not in made
        assert told == "no parent stated"
    elif method is None:
        assert says in told
        assert says in made["notes"]
    else:
        assert says in made["parents"][0]["evidence"]["says"]


def test_quantised_models_say_how(hub: LoopbackHub, put: Any, mine: Path, folder: Path) -> None:
    put("u/q", {"base_model": "lab/base", RELATION: "quantized"}, parameters=99)
    config = CONFIG | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    hub.repository("u/q").add({"config.json": json.dumps(config).encode()})
    done = import_models(["u/q"], mine)
    made = entry(mine, "u/q")
    assert (made["parents"][0]["method"], made["parents"][0]["detail"]) == ("quantise", "gptq")
    assert "parameters" not in made, "packed elements are no weights"
    assert "its weights cannot be read as a model" in done.outcomes[0].says
    assert "its shape is taken from config.json" in done.outcomes[0].says
    assert load_catalog(mine).model("u/q").cell == CELL


def test_adapters_have_the_shape_of_their_base(hub: LoopbackHub, mine: Path) -> None:
    hub.repository("u/lora").add({"adapter_config.json": b'{"peft_type": "LORA"}'})
    hub.repository("u/lora").card = {"base_model": "lab/base", RELATION: "adapter"}
    import_models(["u/lora"], mine)
    (parent,) = entry(mine, "u/lora")["parents"]
    assert (parent["method"], parent["detail"]) == ("adapter-merge", "lora")
    assert load_catalog(mine).model("u/lora").cell == CELL


def test_a_parent_that_nobody_knows_is_named_or_imported(put: Any, mine: Path, tmp_path: Path) -> None:
    put("lab/base")
    put(
        "v/middle",
        {"base_model": "lab/base", RELATION: "finetune"},
        created="2024-04-01T00:00:00.000Z",
    )
    put("u/m", {"base_model": "v/middle", RELATION: "finetune"})
    before = mine.read_bytes()
    said = imported(tmp_path, "u/m", "--catalog", mine, "--dry-run")
    assert said.code == 0, said.err
    assert mine.read_bytes() == before
    assert "v/middle: named only; base_model of u/m; --with-parents imports it" in said.err
    stub, child = yaml.safe_load(said.out)["models"]
    assert stub == {
        "id": "v/middle",
        "source": {"hub": "v/middle"},
        "notes": "named as base_model by u/m; its own metadata was not read",
    }
    assert child["parents"][0]["of"] == "v/middle"
    said = imported(tmp_path, "u/m", "--catalog", mine, "--with-parents", "--json")
    outcomes = json.loads(said.out)["outcomes"]
    assert [(one["model"], one["state"]) for one in outcomes] == [("v/middle", "written"), ("u/m", "written")]
    assert load_catalog(mine).ancestors("u/m") == ("lab/base", "v/middle")


def test_models_of_the_shipped_catalog_come_with_their_evidence(put: Any, tmp_path: Path) -> None:
    put("u/chat", {"base_model": "NousResearch/Llama-2-7b-hf", RELATION: "finetune"})
    out = tmp_path / "new" / "mine.yaml"
    said = imported(tmp_path, "u/chat", "--out", out)
    assert said.code == 0, said.err
    assert "fine-tune keeps the shape, but it has" in said.out
    said = imported(tmp_path, "Qwen/Qwen2.5-7B-Instruct", "--out", out)
    assert "Qwen/Qwen2.5-7B-Instruct: taken over" in said.out
    assert re.search(r"holds it with evidence of grade (publisher|paper)", said.out)
    own, shipped = load_catalog(out), load_catalog()
    for name in ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B"):
        assert own.model(name).parents == shipped.model(name).parents
        assert own.model(name).from_scratch == shipped.model(name).from_scratch
        assert own.model(name).cell == shipped.model(name).cell
        assert own.model(name).date == shipped.model(name).date


def test_disputes_come_with_the_models_that_they_are_about(hub: LoopbackHub, tmp_path: Path) -> None:
    shipped = load_catalog()
    dispute = next(one for one in shipped.disputes if one.open and len(one.models) == 2)
    out = tmp_path / "mine.yaml"
    said = imported(tmp_path, *dispute.models, "--out", out)
    own = load_catalog(out)
    assert dispute.id in {one.id for one in own.disputes}, said
    assert own.relation(*dispute.models) == shipped.relation(*dispute.models) == "disputed"


def test_better_evidence_stays_and_contradictions_are_said(put: Any, mine: Path, tmp_path: Path) -> None:
    put("lab/base", {"base_model": "x/y", RELATION: "finetune"})
    before = mine.read_bytes()
    said = imported(tmp_path, "lab/base", "--catalog", mine)
    assert said.code == 0
    assert mine.read_bytes() == before
    (line,) = said.out.splitlines()
    assert line.startswith(
        f"lab/base: unchanged; in {mine} with evidence of grade publisher; contradiction: its card"
    )
    assert "says base_model x/y, base_model_relation finetune" in line
    assert "from scratch" in line


def test_an_open_dispute_is_not_decided_by_a_tag(put: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    text = MINE.replace("unsupported", "open").replace(
        "# what", "  - {id: lab/contested, source: {path: x}}\n\n# what"
    )
    mine.write_text(text)
    put("lab/contested", {"base_model": "lab/base", RELATION: "finetune"})
    done = import_models(["lab/contested"], mine)
    assert done.outcomes[0].state == "unchanged"
    assert "contradiction" in done.outcomes[0].says
    mine.write_text(
        text.replace("id: lab/contested", "id: lab/third").replace("[lab/contested, ", "[lab/third, ")
    )
    assert load_catalog(mine).relation("lab/third", "lab/base") == "disputed"


def test_a_tag_that_the_shapes_contradict_states_no_parent(
    hub: LoopbackHub, put: Any, mine: Path, tmp_path: Path
) -> None:
    mine.write_text(mine.read_text().replace("depth: 5", "depth: 6"))
    put("u/m", {"base_model": "lab/base", RELATION: "finetune"})
    (outcome,) = import_models(["u/m"], mine).outcomes
    assert "contradiction" in outcome.says
    assert "fine-tune keeps the shape, but it has llama 5x16" in outcome.says
    assert "parents" not in entry(mine, "u/m")
    assert load_catalog(mine).relation("u/m", "lab/base") == "disputed", "no word for independence"


def test_cards_that_name_each_other_make_no_circle(put: Any, mine: Path) -> None:
    put("u/a", {"base_model": "u/b", RELATION: "finetune"})
    put("u/b", {"base_model": "u/a", RELATION: "finetune"})
    done = import_models(["u/a"], mine, with_parents=True)
    assert load_catalog(mine).ancestors("u/a") == ("u/b",)
    assert any("u/a is itself said to come from it" in one.says for one in done.outcomes)


def test_what_cannot_be_had_is_one_line_each_and_the_others_come(
    hub: LoopbackHub, put: Any, mine: Path, tmp_path: Path
) -> None:
    put("u/good", {"base_model": "lab/base", RELATION: "finetune"})
    put("u/gated")
    put("u/gone")
    hub.gated.add("u/gated")
    hub.withdrawn.add("u/gone")
    said = imported(
        tmp_path, "u/gated", "u/gone", "u/absent", "u/good@v2", "three words", "u/good", "--catalog", mine
    )
    assert said.code == 2
    errors = said.err.splitlines()
    assert len(errors) == 5
    assert errors[0] == "error: u/gated: gated on the hub; accept its terms there and set HF_TOKEN"
    assert errors[1] == "error: u/gone: withdrawn: the hub no longer serves it; choose another model"
    assert "no such model on the hub" in errors[2]
    assert errors[3] == "error: u/good@v2: no such revision on the hub"
    assert errors[4] == "error: three words: not of the form org/name[@revision]"
    assert said.out == "u/good: written; from lab/base by fine-tune\n"


def test_a_parent_that_is_gated_is_named_only(hub: LoopbackHub, put: Any, mine: Path, tmp_path: Path) -> None:
    put("v/gated")
    hub.gated.add("v/gated")
    put("u/m", {"base_model": "v/gated", RELATION: "finetune"})
    said = imported(tmp_path, "u/m", "--catalog", mine, "--with-parents")
    assert said.code == 2
    assert "error: v/gated: gated on the hub" in said.err
    assert "v/gated: named only; base_model of u/m\n" in said.out
    assert load_catalog(mine).relation("u/m", "v/gated") == "derived"


def test_revisions_are_models_of_their_own(hub: LoopbackHub, put: Any, folder: Path, mine: Path) -> None:
    put("u/run")
    hub.repository("u/run").add({"config.json": json.dumps(CONFIG).encode()}, "step1000")
    done = import_models(["u/run@step1000", "u/run", "u/run@main"], mine)
    branches = hub.repository("u/run").branches
    assert entry(mine, "u/run@step1000")["source"]["revision"] == branches["step1000"]
    assert entry(mine, "u/run")["source"]["revision"] == branches["main"]
    assert done.outcomes[2].state == "unchanged"
    assert done.outcomes[2].says == "the same commit as u/run: one model, one entry"


def test_a_name_that_means_something_else_here_is_not_taken_twice(
    put: Any, mine: Path, hub: LoopbackHub
) -> None:
    mine.write_text(mine.read_text() + "\n  - {id: u/run@v1, source: {path: other}}\n")
    put("u/run")
    hub.add_folder("u/run", mine.parent / "nothing", "v1")
    done = import_models(["u/run@v1"], mine)
    assert done.outcomes[0].state == "unchanged"
    mine.write_text(mine.read_text().replace("{id: u/run@v1", "{id: u/moved"))
    assert import_models(["u/run"], mine).outcomes[0].state == "written"


def test_dates_that_the_hub_does_not_know_are_left_out(put: Any, mine: Path) -> None:
    put("u/old", created="2022-03-02T23:29:04.000Z")
    put(
        "u/copy",
        {"base_model": "lab/base", RELATION: "finetune"},
        created="2023-02-02T10:00:00.000Z",
    )
    done = import_models(["u/old", "u/copy"], mine)
    assert "date" not in entry(mine, "u/old")
    assert "its date is unknown" in done.outcomes[0].says
    assert "date" not in entry(mine, "u/copy")
    assert "its repository is older than that of lab/base: no date is given" in done.outcomes[1].says


def test_the_day_of_a_repository_states_no_independence(put: Any, mine: Path) -> None:
    """It may have been made in private: who had the weights first is not known."""
    put("u/early", created="2023-01-01T00:00:00.000Z")
    import_models(["u/early"], mine)
    catalog = load_catalog(mine)
    assert catalog.relation("u/early", "lab/base") == "disputed"
    text = mine.read_text().replace("grade: card", "grade: publisher")
    assert parse_catalog(text).relation("u/early", "lab/base") == "independent"


def test_a_catalog_without_a_place_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    said = imported(tmp_path, "u/m")
    assert said.code == 2
    assert said.err == "error: catalog import: say which catalog to write to: --out FILE or --catalog FILE\n"


def test_a_trial_without_a_place_is_against_the_shipped_catalog(put: Any, tmp_path: Path) -> None:
    put("u/m", {"base_model": "v/unheard-of", RELATION: "finetune"})
    before = shipped_catalog().read_bytes()
    said = imported(tmp_path, "u/m", "Qwen/Qwen2.5-7B", "--dry-run")
    assert said.code == 0, said.err
    assert [model["id"] for model in yaml.safe_load(said.out)["models"]] == ["v/unheard-of", "u/m"]
    assert "Qwen/Qwen2.5-7B: unchanged; in " in said.err
    assert shipped_catalog().read_bytes() == before


def test_a_hub_that_nobody_reaches_is_one_line(hub: LoopbackHub, mine: Path, tmp_path: Path) -> None:
    hub.faults = [Fault("close", times=10**6, server="hub")]
    said = imported(tmp_path, "u/m", "--catalog", mine)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "u/m: the hub cannot be reached" in said.err


class TestText:
    def test_entries_go_below_their_part_and_all_else_stays(self) -> None:
        made = appended(MINE, "models", [{"id": "new", "source": {"hub": "o/n"}}], "f")
        kept = [line for line in made.splitlines() if "id: new" not in line and "hub: o/n" not in line]
        assert [line for line in kept if line] == [line for line in MINE.splitlines() if line]
        assert made.index("id: new") < made.index("# what is contested")
        assert [model["id"] for model in yaml.safe_load(made)["models"]] == ["lab/base", "new"]

    def test_line_ends_and_indentation_are_those_of_the_file(self) -> None:
        text = "schema: 1\r\nmodels:\r\n- id: a\r\n  source: {hub: o/a}"
        made = appended(text, "models", [{"id": "n", "source": {"hub": "o/n"}}], "f")
        assert made.startswith(text)
        assert made.count("\n") == made.count("\r\n")
        assert [model.id for model in parse_catalog(made).models.values()] == ["a", "n"]

    def test_a_list_in_brackets_is_refused_in_one_line(self) -> None:
        with pytest.raises(UsageError, match="`models:` is written on one line; put each item"):
            appended("schema: 1\nmodels: [{id: a, source: {hub: o/a}}]\n", "models", [{"id": "n"}], "f")

    @pytest.mark.parametrize(
        "text", ["no", "yes", "1e3", "12", "0012", "null", "~", "2024-05", "true", "a: b", "é"]
    )
    def test_text_stays_text(self, text: str) -> None:
        made = "schema: 1\nmodels:\n" + entries_text([{"id": "a", "source": {"hub": "o/a"}, "notes": text}])
        assert parse_catalog(made).model("a").notes == text


class TestCheck:
    """`catalog check` reads what it can look at."""

    def catalog(self, folder: Path, tmp_path: Path, **facts: object) -> Path:
        model = {"id": "a", "source": {"path": str(folder)}, "from_scratch": SCRATCH, **facts}
        path = tmp_path / "c.yaml"
        path.write_text(as_yaml({"schema": 1, "models": [model]}))
        return path

    def test_the_shape_of_a_local_model_is_read(self, folder: Path, tmp_path: Path) -> None:
        said = command("catalog", "check", self.catalog(folder, tmp_path), "--json", cache=tmp_path / "cache")
        told = json.loads(said.out)
        assert (said.code, told["cells"], told["without_cell"]) == (0, 1, [])

    @pytest.mark.parametrize(
        ("facts", "told"),
        [
            ({"depth": 6}, "the entry states depth 6, but the checkpoint has 5; correct it"),
            (
                {"depth": 5, "width": 16, "heads": 4, "kv_heads": 4, "feed_forward": 24, "qkv_bias": False,
                 "norm": "rmsnorm"},
                f"the entry states the shape 'llama 5x16 h4/4 f24 rmsnorm', but the checkpoint has '{CELL}'",
            ),
        ],
    )  # fmt: skip
    def test_another_shape_than_stated_is_a_problem(
        self, folder: Path, tmp_path: Path, facts: dict[str, object], told: str
    ) -> None:
        path = self.catalog(folder, tmp_path, architecture={"model_type": "llama", **facts})
        said = command("catalog", "check", path, cache=tmp_path / "cache")
        assert said.code == 2
        assert f"{path}:3: models[a].architecture: {told}" in said.err

    def test_a_path_that_leads_nowhere_is_a_problem(self, tmp_path: Path) -> None:
        path = self.catalog(tmp_path / "nothing", tmp_path)
        said = command("catalog", "check", path, cache=tmp_path / "cache")
        assert said.code == 2
        assert "models[a].source.path: " in said.err
        assert "no such file or directory" in said.err

    def test_imported_entries_are_read_and_others_on_the_hub_are_not(
        self, hub: LoopbackHub, put: Any, mine: Path, tmp_path: Path
    ) -> None:
        put("u/m")
        import_models(["u/m"], mine)
        hub.forget()
        check = command("catalog", "check", mine, cache=tmp_path / "cache")
        assert check.code == 0
        assert {one.path.split("/")[4] for one in hub.seen if "/api/models/" in one.path} == {"m"}, (
            "not lab/base"
        )
        mine.write_text(mine.read_text().replace("width: 16", "width: 32"))
        check = command("catalog", "check", mine, cache=tmp_path / "cache")
        assert check.code == 2
        assert "models[u/m].architecture: the entry states the shape" in check.err
        hub.gated.add("u/m")
        check = command("catalog", "check", mine, cache=tmp_path / "cache")
        assert check.code == 0
        assert "note       shape not checked: u/m@" in check.out


def test_an_import_that_would_not_be_sound_writes_nothing(put: Any, mine: Path) -> None:
    put("u/m", {"base_model": "lab/base", RELATION: "finetune"})
    mine.write_text(mine.read_text().replace("publisher: Lab", "publisher: Lab\n    colour: red"))
    before = mine.read_bytes()
    with pytest.raises(CatalogError, match="unknown field 'colour'"):
        import_models(["u/m"], mine)
    assert mine.read_bytes() == before
