"""Cells of a CSV: no formula, no hidden character, and nothing else changed."""

from __future__ import annotations

import pandas as pd

from benchmark.session.untrusted_text import csv_text


def test_repeated_texts_are_each_written_out_and_numbers_and_truth_stay() -> None:
    texts = ["=1+1", "a,b", "x\ny", "-x", "qwen", None]
    frame = pd.DataFrame(
        {
            "@names": texts * 2,
            "mixed": pd.Series([True, 1, "1", "-1", 1.5, -1] * 2, dtype=object),
            "same": pd.Series([True, False, pd.NA] * 4, dtype="boolean"),
            "score": [-0.5, 1.0] * 6,
        }
    )
    cells = ["'=1+1", '"a,b"', r"x\ny", "'-x", "qwen", ""]
    rest = ["True,True,-0.5", "1,False,1.0", "1,,-0.5", "'-1,True,1.0", "1.5,False,-0.5", "-1,,1.0"]
    rows = [f"{cell},{more}" for cell, more in zip(cells, rest, strict=True)]
    assert csv_text(frame).splitlines() == ["'@names,mixed,same,score", *rows, *rows]
