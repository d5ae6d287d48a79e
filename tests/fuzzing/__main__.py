"""Fuzzing: `python -m tests.fuzzing READER --minutes N`; without a reader, each of them for so long.

Minutes are those of the processor, so that a busy machine tries no fewer files. Ctrl-C and SIGTERM end a
reader early; what was done until then is still told.

Almost sound files are given to a reader. A value, or a refusal of one line that the reader declares, is
right; any other exception, a refusal of several lines, too much memory or time is a finding. Findings are
made as small as hypothesis can and kept in `tests/fuzzing/corpus/READER/`, which an ordinary test replays.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Final

HERE = Path(__file__).parent
for part in (HERE, HERE.parent / "support"):
    sys.path.insert(0, str(part))

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis.errors import Flaky  # noqa: E402
from readers import READERS, TooLong, outcome  # noqa: E402

CORPUS = HERE / "corpus"
MEGABYTES, SECONDS, MOST = 1_500, 10, 20
SETTINGS = settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def limit() -> None:
    """Bound memory and, one by one, time of the processor: the machine may be busy."""
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (MEGABYTES << 20), resource.RLIM_INFINITY))

    def stop(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)


ended: Final = threading.Event()
"""Set by Ctrl-C or SIGTERM: the reader at work is the last, and ends with its present batch of files."""


def fuzz(name: str, until: float, first: int) -> tuple[int, list[str]]:
    """Try files on a reader until the process has used so many seconds; how many, and what was found."""
    reader, found = READERS[name], dict[str, str]()
    scratch = Path(tempfile.mkdtemp())
    path = scratch / reader.file
    reader.beside(scratch)
    seeds = reader.seeds()
    for content in seeds:
        path.write_bytes(content)
        reader.read(path)  # sound, or nothing is tested
    limit()
    tried, last = [0], [("", b"")]

    def one(content: bytes) -> None:
        tried[0] += 1
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            wrong = outcome(reader, path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if wrong and wrong.partition(":")[0] not in found:
            last[0] = (wrong, content)
            raise AssertionError(wrong)

    changed = given(reader.changed(seeds))
    for number in itertools.count(first):
        if ended.is_set() or time.process_time() > until or len(found) == MOST:
            break
        try:
            seed(number)(SETTINGS(changed(one)))()
        except Flaky:
            print(f"{name}: once, and not again: {last[0][0]}", flush=True)
            continue
        except AssertionError:
            wrong, content = last[0]
            found[wrong.partition(":")[0]] = wrong
            kept = CORPUS / name / hashlib.sha256(content).hexdigest()[:12]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
            print(f"{name}: {wrong} ({len(content)} bytes: {kept})", flush=True)
    return tried[0], list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("reader", nargs="?", choices=READERS)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="two runs of one seed try the same files")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    findings = 0
    for name in [asked.reader] if asked.reader else READERS:
        begun = time.process_time()
        tried, found = fuzz(name, begun + 60 * asked.minutes, asked.seed)
        findings += len(found)
        spent = (time.process_time() - begun) / 60
        print(
            f"{name}: {tried:,} files in {spent:.1f} minutes of CPU time, {len(found)} findings",
            flush=True,
        )
        if ended.is_set():
            break
    return 1 if findings else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
