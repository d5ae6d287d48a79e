"""Proves, type by type, that all transformers knows is read: `python tests/fpcore/anatomy/every_type.py`.

Each type has a time limit and all share a memory limit. Results are appended to a log as they come, one JSON
object a line, so that a second run does what the first did not.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import signal
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
UNPROVEN = HERE / "unproven_types.json"
MEMORY = 12 << 30
SECONDS = 90


class Slow(Exception):
    """A type took longer than it may."""


def attempt(kind: str, model_type: str) -> dict[str, Any]:
    """The outcome of one proof."""
    from proof import prove

    def stop(*_: object) -> None:
        raise Slow(f"not done in {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    begun = time.monotonic()
    outcome: dict[str, Any] = {"kind": kind, "type": model_type}
    try:
        outcome |= asdict(prove(kind, model_type))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        line = " ".join(str(error).split())
        outcome["error"] = f"{type(error).__name__}: {line}"[:400]
    finally:
        signal.alarm(0)
        gc.collect()
    return outcome | {"seconds": round(time.monotonic() - begun, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "types", nargs="*", help="model types or kinds (causal, image-text, masked); default: all"
    )
    parser.add_argument("--log", type=Path, default=Path("every-type.jsonl"))
    parser.add_argument("--again", action="store_true", help="also what the log has")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    import transformers
    from proof import KINDS, types_of

    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    done = set()
    if asked.log.exists() and not asked.again:
        for line in asked.log.read_text().splitlines():
            entry = json.loads(line)
            if "error" not in entry:
                done.add((entry["kind"], entry["type"]))
    for kind in KINDS:
        for model_type in types_of(kind):
            named = not asked.types or kind in asked.types or model_type in asked.types
            if not named or (kind, model_type) in done:
                continue
            outcome = attempt(kind, model_type)
            with asked.log.open("a") as log:
                log.write(json.dumps(outcome) + "\n")
            print(kind, model_type, outcome.get("error") or outcome["cell"], outcome["seconds"], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
