"""Does a case ever say more than its calibration carries? Pairs from outside it, and held-out pairs inside.

``python -m studies.outside_calibration RUN [--pairs 600] [--quick]`` prints two tables and exits 1 if one of
them is broken.

*Outside.* Some architecture cells are taken out of a finished run, and independent pairs of their models are
weighed by what is left, as `compare` weighs them: other shapes, other depth, trained weights. Beside them
stand pairs of small random models of shapes that no run has. None may be said to support derivation, nor
anything else.

*Inside.* Lineages of simulated catalogs (`studies.misleading_evidence`), and of the run, are held out; an
independent pair of a calibrated shape, and a derived one, are weighed by the others. Evidence that misleads
by a factor of k comes in at most one of k.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

import fpcore
from benchmark.catalog import load_catalog
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.joint_evidence import JointEvidence
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.pair_scores import MetricScore, PairScorer
from benchmark.comparison.verbal_scale import DERIVATION
from benchmark.comparison.weighing import weigh_pair
from benchmark.results.files import RunDirectory
from benchmark.session.session import Session
from studies.misleading_evidence import DESIGNS, Misled, held_out_of_run, misled, print_misled

__all__ = ["Outside", "less_cells", "main", "outside_pairs", "random_models"]

PAIR: Final = ["model_a", "model_b"]


@dataclass(frozen=True)
class Outside:
    """Independent pairs from outside a calibration, and what was said of them.

    Attributes
    ----------
    kind : str
    n_pairs, n_weighed, n_supporting : int
        Those of which any metric, or all together, had a likelihood ratio; and supported derivation.
    """

    kind: str
    n_pairs: int
    n_weighed: int
    n_supporting: int

    @property
    def broken(self) -> bool:
        """Whether anything was said."""
        return self.n_weighed > 0


def less_cells(run: Path, cells: Sequence[str], into: Path) -> Path:
    """Copy a run without the pairs that touch some architecture cells.

    Parameters
    ----------
    run : Path
    cells : sequence of str
    into : Path
        A directory that is not there yet.
    """
    shutil.copytree(run, into, ignore=shutil.ignore_patterns("*.html", "figures"))
    directory = RunDirectory(into)
    scores = directory.read_scores()
    gone = scores["architecture_a"].isin(cells) | scores["architecture_b"].isin(cells)
    directory.write_scores(scores[~gone])
    directory.conclude(directory.read_record())
    return into


def outside_pairs(run: Path, cells: Sequence[str], pairs: int, seed: int = 0) -> Iterator[Outside]:
    """Weigh independent pairs of some cells by a run without those cells.

    Parameters
    ----------
    run : Path
        A finished run.
    cells : sequence of str
        Those to take out.
    pairs : int
        How many, a third of each kind where there are so many.
    seed : int
    """
    scores = RunDirectory(run).read_scores()
    scores = scores[scores["relation"] == "independent"]
    first, second = scores["architecture_a"].isin(cells), scores["architecture_b"].isin(cells)
    same = scores["architecture_a"] == scores["architecture_b"]
    kinds = {
        "both of one shape that it lacks": first & same,
        "of two shapes that it lacks": first & second & ~same,
        "one of a shape that it has": first ^ second,
    }
    with tempfile.TemporaryDirectory() as folder:
        calibration = CalibrationRun(less_cells(run, cells, Path(folder) / "run"))
        known = [fpcore.metric(name) for name in calibration.metrics if name in _registered()]
        for place, (kind, mask) in enumerate(kinds.items()):
            some = scores[mask]
            distinct = some[PAIR].drop_duplicates()
            rng = np.random.default_rng([seed, place])
            n = min(len(distinct), pairs // len(kinds))
            chosen = distinct.iloc[np.sort(rng.choice(len(distinct), n, replace=False))]
            rows = some.merge(chosen, on=PAIR)
            yield _weighed(kind, [part for _, part in rows.groupby(PAIR)], calibration, known)


def _registered() -> set[str]:
    return {metric.name for metric in fpcore.metrics()}


def _weighed(
    kind: str, cases: Sequence[pd.DataFrame], calibration: CalibrationRun, metrics: Sequence[fpcore.Metric]
) -> Outside:
    """Weigh each case, a table with a row a metric."""
    weighed = supporting = 0
    for case in cases:
        one = case.iloc[0]
        by_metric = {
            str(metric): MetricScore(str(status), str(reason), float(score))
            for metric, status, reason, score in case[["metric", "status", "reason", "score"]].to_numpy()
        }
        left_out = {
            calibration.lineage_of[model]
            for model in (one["model_a"], one["model_b"])
            if model in calibration.lineage_of
        } | ({one["lineage_a"], one["lineage_b"]} & set(calibration.lineage_of.values()))
        asked = [metric for metric in metrics if metric.name in by_metric]
        cells = (str(one["architecture_a"]), str(one["architecture_b"]))
        said = _said(asked, by_metric, cells, calibration, left_out)
        weighed += said[0]
        supporting += said[1]
    return Outside(kind, len(cases), weighed, supporting)


def _said(
    metrics: Sequence[fpcore.Metric],
    scores: dict[str, MetricScore],
    cells: tuple[str, str],
    calibration: CalibrationRun,
    left_out: set[str],
) -> tuple[bool, bool]:
    """Whether anything was weighed, and whether anything supported derivation."""
    found = weigh_pair(metrics, scores, cells, calibration, left_out)
    every: list[MetricEvidence | JointEvidence] = [*found.metrics, *([found.joint] if found.joint else [])]
    return (
        any(one.weight.defined for one in every) or found.quoted is not None,
        any(one.supports == DERIVATION for one in every),
    )


def random_models(folder: Path, n: int, depth: int, seed: int = 0) -> list[Path]:
    """Write small random models of one shape whose spread follows a common trend over depth.

    Parameters
    ----------
    folder : Path
    n, depth : int
        Models, and layers of each.
    seed : int
    """
    import torch
    from safetensors.torch import save_file

    width, inner, vocabulary = 24, 40, 48
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": depth,
        "hidden_size": width, "intermediate_size": inner, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": vocabulary, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "hidden_act": "silu",
    }  # fmt: skip
    made = []
    for number in range(n):
        rng = torch.Generator().manual_seed(1_000 * seed + 100 * depth + number)

        def drawn(*shape: int, spread: float, rng: torch.Generator = rng) -> torch.Tensor:
            return spread * torch.randn(*shape, generator=rng)

        weights = {
            "model.embed_tokens.weight": drawn(vocabulary, width, spread=0.05),
            "model.norm.weight": 1 + drawn(width, spread=0.05),
        }
        for layer in range(depth):
            trend = 0.02 * (1 + 2 * layer / depth)
            for name, shape in {
                "self_attn.q_proj": (width, width),
                "self_attn.k_proj": (width // 2, width),
                "self_attn.v_proj": (width // 2, width),
                "self_attn.o_proj": (width, width),
                "mlp.gate_proj": (inner, width),
                "mlp.up_proj": (inner, width),
                "mlp.down_proj": (width, inner),
            }.items():
                weights[f"model.layers.{layer}.{name}.weight"] = drawn(*shape, spread=trend)
            for name in ("input_layernorm", "post_attention_layernorm"):
                gain = 1 + 0.3 * layer / depth
                weights[f"model.layers.{layer}.{name}.weight"] = gain + drawn(width, spread=0.02)
        path = folder / f"random-{depth}-{number:02d}"
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps(config))
        save_file(weights, path / "model.safetensors")
        made.append(path)
    return made


def random_pairs(run: Path, n: int, depths: Sequence[int], cache: Path | None = None) -> Outside:
    """Weigh all pairs of random models of each of some depths."""
    calibration = CalibrationRun(run)
    known = [name for name in calibration.metrics if name in _registered()]
    counted = [0, 0, 0]
    with tempfile.TemporaryDirectory() as folder:
        models = [str(path) for depth in depths for path in random_models(Path(folder), n, depth)]
        session = Session.start(cache=cache, device=None, workers=1, quiet=True)
        scorer = PairScorer(session, load_catalog(None), models, known)
        pairs = list(combinations(models, 2))
        for (a, b), scores in zip(pairs, scorer.scores(pairs), strict=True):
            cells = (scorer.models[a].cell, scorer.models[b].cell)
            said = _said([one.load() for one in scorer.metrics], scores, cells, calibration, set())
            counted = [counted[0] + 1, counted[1] + said[0], counted[2] + said[1]]
    return Outside("small random models, 1 or 2 depths", *counted)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m studies.outside_calibration", description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, help="a finished run; without one, only the simulations")
    parser.add_argument("--pairs", type=int, default=600, help="independent pairs from outside")
    parser.add_argument(
        "--cells", default="4x64,12x32,gpt2 6x32,mixtral 6x32", help="parts of names to leave out"
    )
    parser.add_argument("--catalogs", type=int, default=200, help="simulated tables per design")
    parser.add_argument("--random", type=int, default=8, help="random models of each depth")
    parser.add_argument(
        "--metrics", default="", help="metrics that weigh held-out pairs of the run; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="a quick check with a few of everything")
    asked = parser.parse_args()
    pairs, catalogs, random = (9, 3, 2) if asked.quick else (asked.pairs, asked.catalogs, asked.random)
    outside: list[Outside] = []
    inside: list[Misled] = []
    if asked.run is not None:
        scores = RunDirectory(asked.run).read_scores()
        names = sorted(set(scores["architecture_a"]) | set(scores["architecture_b"]))
        cells = [name for name in names if any(part in name for part in asked.cells.split(","))]
        outside = [*outside_pairs(asked.run, cells, pairs), random_pairs(asked.run, random, (24, 3))]
        names = [name for name in asked.metrics.split(",") if name]
        inside += held_out_of_run(asked.run, 1 if asked.quick else 2, names)
    for design in DESIGNS:
        inside += misled(design, catalogs)
    broken = _report(outside, inside)
    sys.exit(1 if broken else 0)


def _report(outside: Sequence[Outside], inside: Sequence[Misled]) -> bool:
    print(
        "| Independent pairs from outside the calibration | Pairs | With a ratio | Support for derivation |"
    )
    print("| --- | --- | --- | --- |")
    for far in outside:
        print(f"| {far.kind} | {far.n_pairs} | {far.n_weighed} | {far.n_supporting} |")
    print(f"\n{sum(far.n_pairs for far in outside)} pairs in all.\n")
    print_misled(inside)
    return any(far.broken for far in outside) or any(one.broken for one in inside)


if __name__ == "__main__":
    main()
