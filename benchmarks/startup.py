"""What it costs to begin: the command on 100 rows beside `import torch`, and the first compiled fit of a new process.

    python benchmarks/startup.py [--quick]

Every turn is a process of its own, so that nothing is warm but the disk's cache and Python's own `.pyc` files. The first
compiled fit of a process compiles what the second one finds in memory; nothing is kept on disk.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from side_by_side import Goal, Peer, Table, options, python, save, short, take_turns

TURNS = 7
FIRST_TURNS = 3
HEAVY = ("sklearn", "llvmlite", "scipy", "pandas")
"""What a small fit has no need of."""

TORCH = "python -c 'import torch'"
ARRAYS = "a fit of 100 rows of NumPy's"
COMMAND = "steepest fit, 100 rows"

RUN = "import sys; from steepest.cli.commands import main; code = main(sys.argv[1:])"
IMPORTED = f"{RUN}; print([name for name in {HEAVY!r} if name in sys.modules])"

FIT_OF_ARRAYS = """
import numpy as np
import steepest as st
random = np.random.default_rng(0)
x = random.standard_normal((100, 3))
fit = st.fit(x, x.sum(1) + random.standard_normal(100))
fit.loss, fit.metrics, fit.gap
"""

FIRST = """
import json, time
began = time.perf_counter()
import numpy as np, steepest as st
random = np.random.default_rng(0)
x = random.standard_normal((100_000, 20))
y = x.sum(1) + random.standard_normal(len(x))
settings = dict(optimizer="sgd", batch_size=32, precondition="none", lr=0.01)
st.fit(x[:100], y[:100], epochs=1, **settings)  # by the loop: what is imported is not what is compiled
seconds = []
for _ in range(2):
    start = time.perf_counter()
    fit = st.fit(x, y, epochs=12, **settings)
    seconds.append(time.perf_counter() - start)
print(json.dumps([fit.engine, *seconds]))
"""


def first_fit() -> tuple[float, str, float, float]:
    """Seconds of the whole process, the engine, and the seconds of its first and its second fit."""
    whole, printed = python("-c", FIRST)
    return (whole, *json.loads(printed))


def main() -> None:
    quick = options(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "hundred.csv")
        draw = random.Random(0)
        table.write_text("x,y\n" + "".join(f"{draw.random()},{draw.random()}\n" for _ in range(100)), encoding="utf-8")
        words = ("fit", str(table), "--target", "y", "--quiet")
        processes = [
            Peer(TORCH, lambda: python("-c", "import torch")),
            Peer(ARRAYS, lambda: python("-c", FIT_OF_ARRAYS)),
            Peer(COMMAND, lambda: python("-c", RUN, *words)),
            Peer("steepest --help", lambda: python("-c", RUN, "--help")),
            Peer("python -c 'import steepest'", lambda: python("-c", "import steepest")),
        ]
        timed = take_turns(processes, 1 if quick else TURNS)
        imported = python("-c", IMPORTED, *words)[1]
        runs = sorted(first_fit() for _ in range(1 if quick else FIRST_TURNS))
    over = timed[COMMAND].median - timed[TORCH].median
    processes_table = Table(
        "A process from start to end",
        ("", "seconds", "beyond import torch"),
        [(n, short(t.median), f"{t.median - timed[TORCH].median:+.2f}") for n, t in timed.items()],
        (f"Of {', '.join(HEAVY)} the command on 100 rows imported: {imported}.",),
    )
    seconds, engine, first, second = runs[len(runs) // 2]
    fits_table = Table(
        "The first compiled fit of a process (100,000 × 20, batches of 32, 12 epochs)",
        ("engine", "s, first fit", "s, second fit", "s, process"),
        [(engine, short(first), short(second), short(seconds))],
    )
    promised = [
        Goal(
            "a fit of 100 rows of NumPy's in a new process, beside import torch",
            timed[ARRAYS].median / timed[TORCH].median, "≤", 0.5, " ×",
        ),
        Goal("a fit of 100 rows from the command line, beyond import torch", over, "≤", 1.0, " s"),
        Goal(
            "scikit-learn and llvmlite imported for it",
            sum(name in imported for name in ("sklearn", "llvmlite")), "≤", 0, "",
        ),
        Goal("first compiled fit of a process beyond the second", first - second, "≤", 2.0, " s"),
    ]  # fmt: skip
    save("startup", quick, [processes_table, fits_table], promised, processes={n: t.seconds for n, t in timed.items()})


if __name__ == "__main__":
    main()
