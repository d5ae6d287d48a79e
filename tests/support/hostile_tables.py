"""Score tables of strangers: small files that are odd, or that are not small once they are unpacked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["READ", "REFUSED", "rows", "text"]

HEADER = "model_a,model_b,score,relation,lineage_a,lineage_b,architecture_a,architecture_b"


def rows(metric: str = "", *, founders: int = 6) -> list[str]:
    """Lines of a table in which every founder has one child, all of one shape."""
    names = [f"{kind}{n}" for n in range(founders) for kind in ("base", "child")]
    lines = []
    for i, a in enumerate(names):
        for j, b in enumerate(names[i + 1 :], i + 1):
            kin = a[-1] == b[-1]
            score = 0.9 + 0.001 * i if kin else 0.2 + 0.01 * ((7 * i + 3 * j) % 40)
            lines.append(
                f"{a},{b},{score},{'derived' if kin else 'independent'},L{a[-1]},L{b[-1]},cell,cell"
                + (f",{metric}" if metric else "")
            )
    return lines


def text(lines: list[str] | None = None, header: str = HEADER) -> str:
    """A table as a file has it."""
    return "\n".join([header, *(rows() if lines is None else lines)]) + "\n"


def changed(place: int, change: Callable[[list[str]], list[str]], header: str = HEADER) -> str:
    """The table with other fields in one row."""
    lines = rows()
    lines[place] = ",".join(change(lines[place].split(",")))
    return text(lines, header)


def field(place: int, column: int, value: str) -> str:
    return changed(place, lambda fields: [*fields[:column], value, *fields[column + 1 :]])


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a NUL in a name": (field(3, 1, "ba\0se2"), "line 5"),
    "a NUL in a score": (field(3, 2, "0.\0005"), "line 5"),
    "a column twice": (text([f"{line},1" for line in rows()], f"{HEADER},score"), "score appears twice"),
    "no name": (field(3, 0, ""), "line 5"),
    "a score in words": (field(3, 2, "high"), "line 5"),
    "a score beyond doubles": (field(3, 2, "1e400"), "line 5"),
    "a score of 5,000 digits": (field(3, 2, "1" * 5_000), "line 5"),
    "a formula for a score": (field(3, 2, '"=1+1"'), "line 5"),
    "no score": (field(3, 2, ""), "line 5"),
    "an unknown relation": (field(3, 3, "=cmd()"), "line 5"),
    "a relation with escapes": (field(3, 3, "derived\x1b[2J"), "line 5"),
    "half a quote": (field(3, 1, '"base2'), "line"),
    "too many fields": (changed(3, lambda fields: [*fields, "x"]), "line 5"),
    "too few fields": (changed(3, lambda fields: fields[:4]), "line 5"),
    "a field of 300,000 letters": (field(3, 1, "x" * 300_000), "line 5"),
    "a pair twice": (text([*rows(), rows()[3]]), "line 5"),
    "a metric in half the rows": (
        text([*rows("one"), *(line + "," for line in rows())], f"{HEADER},metric"),
        "line 68",
    ),
    "nothing but NaN": (text([line.replace(line.split(",")[2], "NaN") for line in rows()]), "no score"),
    "one metric of nothing but NaN": (
        text(
            [*rows("one"), *(line.replace(line.split(",")[2], "NaN") for line in rows("two"))],
            f"{HEADER},metric",
        ),
        "no score",
    ),
    "not UTF-8": (text().encode().replace(b"base2", b"b\xff\xfe2"), "UTF-8"),
    "UTF-16": (text().encode("utf-16"), "UTF-8"),
    "empty": ("", "no column"),
    "one line": (HEADER + "\n", "no rows"),
    "JSON": ('[{"model_a": 1}]', "JSON"),
    "parquet by its first bytes": (b"PAR1" + b"\0" * 100, "not readable as a score table"),
    "a name of half a character": (text().encode().replace(b"base2", b"b\xed\xa0\x802"), "UTF-8"),
}
READ: dict[str, str] = {
    "minus infinity beside finite scores": field(3, 2, "-inf"),
    "infinity beside finite scores": field(3, 2, "inf"),
    "nothing but infinity": text([line.replace(line.split(",")[2], "inf") for line in rows()]),
    "infinite for all kin": text(
        [line.replace(line.split(",")[2], "inf") if "derived" in line else line for line in rows()]
    ),
    "minus infinity for all others": text(
        [line if "derived" in line else line.replace(line.split(",")[2], "-inf") for line in rows()]
    ),
    "one score for all": text([line.replace(line.split(",")[2], "1") for line in rows()]),
    "the largest and the smallest": text(
        [line.replace(line.split(",")[2], "1e308" if n % 2 else "-1e308") for n, line in enumerate(rows())]
    ),
    "names with formulas, HTML and escapes": text().replace("base1", "=1+1").replace("base2", "<b>x</b>"),
}


def bomb(path: Path, n: int) -> None:
    """A parquet file of few bytes and so many rows, a million at a time."""
    step = 1_000_000
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(step, np.int8)), pa.array(["a"]))
    part = pa.table({"model_a": names, "model_b": names, "score": names, "relation": names})
    with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(n // step):
            writer.write_table(part, row_group_size=step)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
}
