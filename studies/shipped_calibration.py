"""The calibration that the package holds, made again: a run of the zoo, without what only its report needs.

``python -m studies.shipped_calibration`` makes the run and replaces benchmark/calibrations/zoo where the run
says anything else than that; the same code, zoo and packages give the same bytes on machines of one kind.
``--check`` writes nothing, says what is out of step, and exits 1 if it would write. ``--run RUN`` takes a
finished run of the same metrics.
"""

from __future__ import annotations

import argparse
import io
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import benchmark
import fpcore
from analysis.columns import COLUMNS
from analysis.discrimination.roc import RocCurve
from analysis.summary_parts import Curves
from benchmark.catalog import Catalog, load_catalog
from benchmark.comparison.shipped_calibration import shipped_calibration
from benchmark.pipeline.forgeries import planned_forgeries
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.verified_results import label_differences
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run, read_run
from benchmark.results.schema import Machine, MetricResult, Results, RunRecord
from benchmark.session.files import write_bytes
from benchmark.session.packages import file_digest
from benchmark.zoo.manifest import MANIFEST, SHIPPED as ZOO

__all__ = ["METRICS", "differs", "out_of_step", "write_calibration"]

METRICS: Final = (*choose_metrics(None), "canonical-similarity")
"""The cheap ones, and the one that neither forgery nor laundering deceives at little cost."""
NOTHING: Final = np.array([], dtype=np.float64)
NO_CURVE: Final = RocCurve(
    NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, 0.95, "", "no comparison asks for curves"
)
#: Numbers of one table lie apart: one page a column, so that what repeats is stored once.
WHOLE: Final = 1 << 26


def write_calibration(run: Run, folder: Path) -> None:
    """Write what a comparison asks a run for, as a run directory that the readers of all others take.

    Parameters
    ----------
    run : Run
        Finished, of the zoo.
    folder : Path
        What it holds of an earlier calibration is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    directory = RunDirectory(folder)
    record = _record(run.record)
    directory.begin(record)
    write_bytes(directory.scores, _table(run.scores))
    directory.write_results(_results(run.results))
    directory.conclude(record)


def differs(run: Run, folder: Path) -> list[str]:
    """Files of a calibration that a run would write otherwise; its date alone is no difference."""
    with tempfile.TemporaryDirectory() as made:
        ended = _ended(folder)
        same_day = replace(run.record, ended=ended) if ended else run.record
        write_calibration(replace(run, record=same_day), Path(made))
        names = sorted({path.name for place in (made, folder) for path in Path(place).glob("*")})
        return [name for name in names if _bytes(Path(made) / name) != _bytes(folder / name)]


def out_of_step(folder: Path, catalog: Catalog) -> list[str]:
    """What a calibration says of metrics, zoo and catalog that is no longer so; empty where all is.

    Parameters
    ----------
    folder : Path
    catalog : Catalog
        The shipped one.

    Raises
    ------
    UsageError
        It is of another schema, was edited, or is of a run that has not ended.
    """
    run = read_run(folder)
    found = [] if run.record.status == "complete" else [f"its status is {run.record.status}"]
    held, wanted = {one.metric: one.version for one in run.results.metrics}, dict.fromkeys(METRICS)
    found += [f"{name}: it should not be there" for name in held.keys() - wanted.keys()]
    found += [
        f"{name}: version {held.get(name, 'none')}, now {version}"
        for name in METRICS
        if held.get(name) != (version := fpcore.metric(name).version)
    ]
    if run.record.code["zoo manifest"] != file_digest(ZOO / MANIFEST):
        found.append("zoo: its manifest is another")
    here = catalog.pairs([one.id for one in catalog.models.values() if one.available and not one.remote])
    now = {*here["model_a"], *here["model_b"]}
    found += [f"{model}: in one of catalog and calibration" for model in sorted(now ^ {*run.record.models})]
    forged = {*planned_forgeries(catalog, run.record.models)["forged"]}
    found += [f"{model}: a forgery in one of them" for model in sorted(forged ^ {*run.record.forgeries})]
    return found if found else [str(one) for one in label_differences(run, catalog)]


def _record(record: RunRecord) -> RunRecord:
    """Without what differs from one time to the next, and without disputes, which no comparison asks for."""
    return replace(
        record,
        costs={},
        started="",
        ended=record.ended[:10],
        seconds={},
        machine=Machine(platform.system(), platform.python_version(), platform.machine()),
        disputes=(),
    )


def _results(results: Results) -> Results:
    """Verdicts, thresholds, forgeries and laundering; not the breakdowns that only a report shows."""
    return replace(results, metrics=tuple(map(_result, results.metrics)), comparisons=())


def _result(one: MetricResult) -> MetricResult:
    return replace(
        one,
        by_method={},
        by_look_alike={},
        by_family=(),
        curves=Curves(NO_CURVE, NO_CURVE, None, None, None),
        decay=(),
        run_points=(),
        shared_properties=(),
    )


def _table(scores: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(scores[list(COLUMNS)], preserve_index=False).replace_schema_metadata(None)
    stream = io.BytesIO()
    pq.write_table(
        table,
        stream,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in COLUMNS if name != "score"],
        use_byte_stream_split=["score"],
        row_group_size=WHOLE,
        data_page_size=WHOLE,
        max_rows_per_page=WHOLE,
    )
    return stream.getvalue()


def _ended(folder: Path) -> str:
    return RunDirectory(folder).read_record().ended if RunDirectory(folder).record.exists() else ""


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main() -> None:
    """Make it, or say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if it differs")
    parser.add_argument("--run", type=Path, help="a finished run of these metrics; default: make one")
    asked = parser.parse_args()
    folder = shipped_calibration()
    with tempfile.TemporaryDirectory() as made:
        run = (
            # Nothing from the user's cache: reasons there may be in the words of an earlier version.
            benchmark.run(metrics=METRICS, out=Path(made) / "run", cache=Path(made) / "cache", quiet=False)
            if asked.run is None
            else read_run(asked.run)
        )
        found = differs(run, folder)
        if found and not asked.check:
            write_calibration(run, folder)
    size = sum(path.stat().st_size for path in folder.glob("*"))
    told = f"differs in {', '.join(found)}" if found else "up to date"
    print(f"{folder}: {size:,} bytes, {told}{'; rewritten' if found and not asked.check else ''}")
    for line in out_of_step(folder, load_catalog()):
        print(f"  outdated: {line}")
    sys.exit(int(bool(found) and asked.check))


if __name__ == "__main__":
    main()
