"""Parts of a summary: the audit of a claim, and the curves that plots draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from patchy_tables import CLAIM, patchy_report

from analysis.inference.claims import Claim, audit_p_values
from analysis.results import as_json
from analysis.summary_parts import ClaimAudit, Curves


def test_the_audit_of_a_claim_repeats_the_claim_and_has_the_rates_at_its_threshold() -> None:
    report = patchy_report()
    audit = report.claim_audit
    assert audit is not None
    assert as_json(ClaimAudit.of(report)) == {
        "threshold": 1.0,
        "auc": 0.99,
        "p_values": True,
        "text": "≥ 1 is derived",
        "source": "a paper",
        "fpr": as_json(audit.fpr),
        "tpr": as_json(audit.tpr),
        "look_alike_fpr": as_json(audit.look_alike_fpr),
        "reason": "",
    }
    assert report.claim == CLAIM
    assert len({audit.fpr.estimate, audit.tpr.estimate, audit.look_alike_fpr.estimate}) == 3


def test_a_claim_without_a_threshold_has_no_rates_but_a_reason() -> None:
    report = replace(patchy_report(), claim=Claim(auc=0.5, text="works"), claim_audit=None)
    assert ClaimAudit.of(report) == ClaimAudit(
        None, 0.5, False, "works", "", None, None, None, "no threshold is claimed"
    )
    assert ClaimAudit.of(replace(report, claim=None)) is None


def test_curves_are_those_of_the_report() -> None:
    report = patchy_report()
    curves = Curves.of(report)
    assert curves.roc is report.roc
    assert curves.look_alike_roc is report.look_alike_roc
    assert curves.tippett is not None
    assert curves.ece is not None
    for curve, arrays in ((curves.tippett, report.evidence.tippett), (curves.ece, report.evidence.ece)):
        assert vars(curve).keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(getattr(curve, name), array)


def test_claimed_p_values_are_drawn_beside_those_expected() -> None:
    report = patchy_report()
    audit = audit_p_values(report.table, lambda score: 1 / (1 + np.exp(score)))
    assert len(audit.expected) > 10
    curves = Curves.of(replace(report, p_values=audit))
    assert curves.qq is not None
    np.testing.assert_array_equal(curves.qq.expected, audit.expected)
    np.testing.assert_array_equal(curves.qq.observed, audit.observed)


def test_without_evidence_or_claimed_p_values_there_are_no_curves_of_them() -> None:
    report = patchy_report()
    bare = Curves.of(replace(report, evidence=replace(report.evidence, tippett={}, ece={}), p_values=None))
    assert (bare.tippett, bare.ece, bare.qq) == (None, None, None)
