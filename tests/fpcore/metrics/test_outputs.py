"""Metrics of outputs against their definitions, the provenance test, and where they abstain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from forward_models import characters, stored
from scipy.spatial.distance import jensenshannon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.forward import forward_pass
from fpcore.forward.prompts import normal_form
from fpcore.metrics import outputs
from fpcore.metrics.outputs import holm, kendall, minus_log10_p, provenance_test, softened

AGREEMENT = fpcore.metric("next-token-agreement")
DIVERGENCE = fpcore.metric("output-divergence")
SEED_BIAS = fpcore.metric("seed-bias")


def renumbered(model: MemoryCheckpoint, first: str) -> MemoryCheckpoint:
    """The same weights under a tokenizer whose first tokens are other characters."""
    tensors = {name: model.read(name) for name in model.tensors}
    label = f"{model.name} {first}"
    return MemoryCheckpoint(label, label, model.config, tensors, characters(40, first))


def test_agreement_is_the_share_of_equal_tokens() -> None:
    a, b = stored("llama", 1), stored("llama", 2)
    top = [forward_pass(model).log_probabilities.argmax(axis=1).copy() for model in (a, b)]
    x, y = AGREEMENT.fingerprint(a), AGREEMENT.fingerprint(b)
    assert AGREEMENT.similarity(x, y) == np.mean(top[0] == top[1])
    assert AGREEMENT.similarity(x, x) == 1.0


def test_tokens_are_compared_by_text() -> None:
    texts = ["Ġthe", "▁the", " the"]
    assert len({normal_form(text) for text in texts}) == 1
    assert normal_form("<0x0A>") == normal_form("Ċ") == "\n"
    model = stored("llama", 1)
    other = renumbered(model, "zyx")
    ids = [forward_pass(each).log_probabilities.argmax(axis=1).copy() for each in (model, other)]
    keys = [AGREEMENT.fingerprint(each).arrays["tokens"] for each in (model, other)]
    known = [{i: t for t, i in each.tokenizer_vocabulary().items()} for each in (model, other)]
    same_text = [known[0][i] == known[1][j] for i, j in zip(*ids, strict=True)]
    assert list(keys[0] == keys[1]) == same_text


def with_words(model: MemoryCheckpoint, count: int) -> MemoryCheckpoint:
    """The same weights under a tokenizer of fewer or more tokens than the embedding has rows."""
    tensors = {name: model.read(name) for name in model.tensors}
    label = f"{model.name} {count}"
    return MemoryCheckpoint(label, label, model.config, tensors, characters(count))


def test_rows_without_a_token_agree_with_nothing() -> None:
    padded = with_words(stored("llama", 1), 20)
    found = AGREEMENT.fingerprint(padded)
    known = forward_pass(padded).log_probabilities.argmax(axis=1) < 20
    assert 0 < known.sum() < len(known)
    assert ((found.arrays["tokens"] == -1.0) == ~known).all()
    assert AGREEMENT.similarity(found, found) == known.mean()


def test_tokens_without_a_row_do_not_count() -> None:
    longer = with_words(stored("llama", 1), 41)
    tokens, answers_ = AGREEMENT.fingerprint(longer), DIVERGENCE.fingerprint(longer)
    assert (tokens.arrays["tokens"] >= 0.0).all()
    assert len(answers_.arrays["keys"]) == forward_pass(longer).log_probabilities.shape[1] == 40


def answers(*shares: float, n: int = 256) -> list[Fingerprint]:
    """Models that agree with the first on a share of prompts each."""
    found = []
    for place, share in enumerate((1.0, *shares)):
        tokens = np.arange(n, dtype=np.float64)
        tokens[round(share * n) :] = 1000.0 * (place + 1) + np.arange(n - round(share * n))
        found.append(Fingerprint("next-token-agreement", 1, str(place), str(place), {"tokens": tokens}))
    return found


def test_the_provenance_test_is_a_z_test_of_proportions_with_holm() -> None:
    model, parent, *others = answers(0.6, 0.5, 0.45, 0.58)
    found = provenance_test(model, parent, others)
    raw = [
        proportions_ztest([round(0.6 * 256), round(share * 256)], [256, 256], alternative="larger")[1]
        for share in (0.5, 0.45, 0.58)
    ]
    assert found.p_values == pytest.approx(raw)
    assert found.adjusted == pytest.approx(multipletests(raw, method="holm")[1])
    assert found.p_value == max(found.adjusted)
    assert found.agreement == pytest.approx(0.6, abs=0.003)
    assert found.others == pytest.approx((0.5, 0.45, 0.58), abs=0.003)


def test_the_provenance_test_keeps_its_level_under_chance() -> None:
    """Parent and candidates alike: it claims the parent in far fewer than 5% of draws."""
    rng = np.random.default_rng(1)
    claimed = 0
    for _ in range(400):
        model, *rest = (
            Fingerprint("", 1, "", "", {"tokens": rng.integers(0, 3, 256).astype(float)}) for _ in range(5)
        )
        claimed += provenance_test(model, rest[0], rest[1:]).p_value < 0.05
    assert claimed / 400 <= 0.05


def test_the_provenance_test_needs_candidates_and_knows_ties() -> None:
    model, parent = answers(0.5)
    with pytest.raises(ValueError, match=r"^provenance_test: no other candidate"):
        provenance_test(model, parent, [])
    assert provenance_test(model, model, [model]).p_values == (1.0,)
    assert holm([0.5, 0.01]) == [0.5, 0.02]
    assert holm([0.9, 0.8, 0.8]) == [1.0, 1.0, 1.0]


def test_divergence_by_definition() -> None:
    a, b = stored("llama", 1), stored("llama", 2)
    p, q = (np.exp(forward_pass(model).log_probabilities.astype(float)) for model in (a, b))
    expected = -np.mean(jensenshannon(p, q, base=2, axis=1) ** 2)
    x, y = DIVERGENCE.fingerprint(a), DIVERGENCE.fingerprint(b)
    assert DIVERGENCE.similarity(x, y) == pytest.approx(expected, rel=1e-4)
    assert DIVERGENCE.similarity(x, x) == 0.0


def test_divergence_over_shared_tokens_is_a_lower_bound() -> None:
    a, b = stored("llama", 1), stored("llama", 2)
    whole = DIVERGENCE.similarity(DIVERGENCE.fingerprint(a), DIVERGENCE.fingerprint(b))
    x, y = (DIVERGENCE.fingerprint(model) for model in (a, b))
    part = Fingerprint(
        y.metric,
        y.version,
        y.model,
        "part",
        {"keys": y.arrays["keys"][:25], "probabilities": y.arrays["probabilities"][:, :25]},
    )
    assert whole < DIVERGENCE.similarity(x, part) < 0.0
    assert DIVERGENCE.similarity(x, y) == whole, "whatever was compared before"
    few = Fingerprint(
        y.metric,
        y.version,
        y.model,
        "few",
        {"keys": y.arrays["keys"][:9], "probabilities": y.arrays["probabilities"][:, :9]},
    )
    with pytest.raises(NotComparable, match="9 tokens in common"):
        DIVERGENCE.similarity(x, few)


def distributions(rows: np.ndarray) -> Fingerprint:
    keys = np.arange(rows.shape[1], dtype=np.float64)
    return Fingerprint(DIVERGENCE.name, 1, "", "", {"keys": keys, "probabilities": rows.astype(np.float32)})


def test_rounding_leads_no_divergence_out_of_its_range() -> None:
    rng, scores = np.random.default_rng(0), []
    for rows in rng.dirichlet(np.ones(30), (200, 1)):
        near = distributions(rows * (1 + 3e-8 * rng.normal(size=30)))
        # Half of the tokens each: one bit.
        apart = [
            distributions(np.roll(np.pad(rows[:, :15], ((0, 0), (0, 15))), by) / rows[:, :15].sum())
            for by in (0, 15)
        ]
        scores.append((DIVERGENCE.similarity(distributions(rows), near), DIVERGENCE.similarity(*apart)))
    same, other = np.array(scores).T
    assert same.max() == 0.0
    assert same.min() > -1e-6
    assert other.min() == -1.0
    assert other.max() < -1.0 + 1e-6


def test_what_is_left_of_a_distribution_is_never_below_zero() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(30), 500)
    rest = outputs.on_shared(distributions(rows), np.arange(30))[:, -1]
    assert rest.min() == 0.0
    assert 0.0 < rest.max() < 1e-6


def test_of_equally_likely_tokens_the_same_are_kept_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = stored("llama", 1), np.arange(40)
    passed = forward_pass(model)
    levels = (ids % 3).astype(np.float32)
    stepped = replace(
        passed,
        log_probabilities=np.tile(levels - 10.0, (256, 1)),
        random_logits=np.tile(levels, (128, 1)),
    )
    monkeypatch.setattr(outputs, "forward_pass", lambda _: stepped)
    monkeypatch.setattr(outputs, "KEPT_TOKENS", 10)
    texts = outputs.token_texts(model, 40)
    assert set(DIVERGENCE.fingerprint(model).arrays["keys"]) == set(texts[ids % 3 == 2][-10:])
    least = sorted([*ids[ids % 3 == 0], *ids[ids % 3 == 1][:6]])
    assert SEED_BIAS.fingerprint(model).arrays["tokens"].tolist() == least


def test_what_never_happens_has_no_part_in_entropy() -> None:
    p = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    freed = np.full_like(p, np.nan)
    del freed  # memory that numpy hands out again, with NaN in it
    assert outputs.entropy(p).tolist() == [1.0, 0.0]


def test_a_large_vocabulary_keeps_its_likeliest_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = stored("llama", 1)
    before = DIVERGENCE.fingerprint(model).arrays
    monkeypatch.setattr(outputs, "KEPT_TOKENS", 10)
    kept = DIVERGENCE.fingerprint(model).arrays
    assert kept["probabilities"].shape == (256, 10)
    assert kept["probabilities"].dtype == np.float32
    highest = before["keys"][before["probabilities"].max(axis=0).argsort()[-10:]]
    assert set(kept["keys"]) == set(highest)


def test_seed_bias_by_definition() -> None:
    a, b = stored("llama", 1), stored("llama", 2)
    logits = [forward_pass(model).random_logits.astype(float).copy() for model in (a, b)]
    least = [set(values.mean(axis=0).argsort()[:20]) for values in logits]
    both = sorted(least[0] & least[1])
    soft = [scipy.special.softmax(values[:, both] / 10.0, axis=1) for values in logits]
    taus = [scipy.stats.kendalltau(soft[0][:, j], soft[1][:, j]).statistic for j in range(len(both))]
    n = len(logits[0])
    z = np.mean(taus) / math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)) / len(both))
    expected = max(0.0, -math.log10(min(1.0, 2 * scipy.stats.norm.sf(z))))
    assert SEED_BIAS.similarity(SEED_BIAS.fingerprint(a), SEED_BIAS.fingerprint(b)) == pytest.approx(
        expected, rel=1e-6, abs=1e-9
    )


def test_identity_tokens_are_the_least_likely_however_large_logits_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = stored("llama", 1)
    passed = forward_pass(model)
    logits = (1000.0 + 1e-3 * np.random.default_rng(0).normal(size=(128, 40))).astype(np.float32)
    monkeypatch.setattr(outputs, "forward_pass", lambda _: replace(passed, random_logits=logits))
    found = SEED_BIAS.fingerprint(model).arrays
    means = [math.fsum(column) for column in logits.T.astype(float).tolist()]
    assert found["tokens"].tolist() == sorted(sorted(range(40), key=means.__getitem__)[:20])
    expected = scipy.special.log_softmax(logits.astype(float) / 10.0, axis=1)
    assert softened(logits) == pytest.approx(expected, abs=1e-12)


def test_kendalls_null_is_that_of_independent_tokens() -> None:
    rng = np.random.default_rng(2)
    drawn = [kendall(softened(x), softened(y)).mean() for x, y in rng.normal(size=(400, 2, 40, 12))]
    rejected = np.mean([minus_log10_p(tau, 40, 12) > -math.log10(0.1) for tau in drawn])
    assert 0.02 < rejected < 0.09  # one side of a two-sided test at 10%
    assert minus_log10_p(-0.5, 40, 12) == 0.0


@pytest.mark.parametrize("rows", [30, 300])
def test_kendall_counts_ties_neither_for_nor_against(rows: int) -> None:
    """τ (a) by its definition: over all pairs, those tied in either included."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, rows, 7))  # the last column has no ties
    x[4, :3] = x[9, :3]
    y[5, 1:5] = y[6, 1:5]
    x[:, 5] = 1.0
    a, b = (each[:, None] - each[None, :] for each in (x, y))
    expected = (np.sign(a) * np.sign(b)).sum(axis=(0, 1)) / (rows * (rows - 1))
    assert kendall(x, y).tolist() == expected.tolist()
    assert kendall(x, y)[5] == 0.0


def test_random_input_is_the_same_for_one_vocabulary_and_abstains_for_others() -> None:
    a = stored("llama", 1)
    other = renumbered(a, "zyx")
    with pytest.raises(NotComparable, match="different vocabularies"):
        SEED_BIAS.similarity(SEED_BIAS.fingerprint(a), SEED_BIAS.fingerprint(other))
    x = SEED_BIAS.fingerprint(a)
    assert len(x.arrays["tokens"]) == 20  # half of the vocabulary
    for common in (8, 7, 0):
        tokens = x.arrays["tokens"] + 100.0 * (np.arange(20) >= common)
        some = Fingerprint(x.metric, x.version, "", "", {**x.arrays, "tokens": tokens})
        if common == 8:
            assert SEED_BIAS.similarity(x, some) > 0.0
        else:
            with pytest.raises(NotComparable, match=f"^{common} identity tokens in common; at least 8"):
                SEED_BIAS.similarity(x, some)
