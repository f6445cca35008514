"""Fits that 1, 2 and 4 ranks share, and one process without any (run as a script).

    ranked.py FOLDER RANKS CASES...     writes FOLDER/CASE-RANKS.npz (0 ranks: a process of its own) for RANKS as 0,2,4, from
                                        FOLDER/rows

Each rank is a fork of this process, which has imported everything and started nothing.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

ROWS = {"target": "y", "drop": ["z", "w"]}
MINI = {"batch_size": 50, "epochs": 2}


def network() -> Any:
    """A module with statistics of a batch and random numbers."""
    from torch import manual_seed, nn

    manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 1))


CASES: dict[str, dict[str, Any]] = {
    "newton": ROWS,
    "gaps": {
        "target": "y",
        "drop": ["z"],
        "weights": "w",
        "missing": {"size": "level", "*": "mean"},
        "date": {"day": "parts"},
    },
    "logistic": {"target": "z", "drop": ["y"], "weights": "w", "test_fraction": 0.2},
    "fused": {**ROWS, **MINI, "optimizer": "adam", "lr": 0.01, "test_fraction": 0.2},
    "fused float32": {"target": "z", "drop": ["y", "w"], **MINI, "dtype": "float32"},
    "loop": {**ROWS, **MINI, "optimizer": "momentum:0.9", "loss": "huber:1"},
    "loop float32": {**ROWS, **MINI, "dtype": "float32", "shuffle": "none"},
    "softmax": {"target": "city", "columns": ["a", "b"], **MINI, "optimizer": "sgd"},
    "few rows": {**ROWS, "batch_size": 5, "epochs": 1},
    "few rows fused": {**ROWS, "batch_size": 5, "epochs": 1},
    "basis": {"target": "y", "columns": ["a", "near"]},
    "local": {**ROWS, **MINI, "optimizer": "momentum:0.9", "lr": 0.02, "sync_every": 4, "precondition": "none"},
    "local again": {**ROWS, **MINI, "optimizer": "momentum:0.9", "lr": 0.02, "sync_every": 4, "precondition": "none"},
    "local module": {**ROWS, **MINI, "model": "mlp:4", "sync_every": 3},
    "local module again": {**ROWS, **MINI, "model": "mlp:4", "sync_every": 3},
    "module": {**ROWS, **MINI, "model": "mlp:4"},
    "batch norm": {**ROWS, **MINI, "model": network, "lr": 0.01},
}


NEEDED = (
    "filelock", "pandas", "platformdirs", "pyarrow.fs", "pyarrow.parquet", "rich.progress", "safetensors.numpy", "scipy.linalg",
    "sklearn.model_selection", "tomli_w", "torch.distributed", "steepest.cross_validation", "steepest.divided",
    "steepest.engines.compiled", "steepest.fitting", "steepest.streamed_scores", "steepest.sweeps.own_rows",
)  # fmt: skip


def fitted(folder: str, case: str) -> dict[str, np.ndarray]:
    """What is to be the same of a fit."""
    from steepest.engines import choice
    from steepest.fitting import fit

    choice.WORTH = -np.inf if "fused" in case else np.inf
    given = {name: value() if callable(value) else value for name, value in CASES[case].items()}
    done = fit(f"{folder}/{'gaps' if case == 'gaps' else 'rows'}", stream=True, **given)
    trace = {name: getattr(done.trace, name) for name in done.trace.COLUMNS}
    told = [done.metrics, done.engine, done.status.name, done.steps, done.names, done.notes, str(done.schema)]
    rows = np.hstack([done.train.x, done.train.y.reshape(-1, 1), done.train.places.reshape(-1, 1)])
    scores = [done.loss, done.objective_value, done.test_loss or 0.0, done.gap or 0.0]
    exact = done.exact.theta if done.exact is not None and done.exact.theta is not None else np.zeros(0)
    return trace | {
        "theta": done.theta,
        "path": done.trace.theta,
        "scores": np.array(scores),
        "told": np.array(json.dumps(told)),
        "rows": rows,
        "exact": exact,
    }


def in_ranks(size: int, work: Callable[[int], None]) -> list[int]:
    """Work done by so many ranks (0: by a process of its own); their exit codes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    children = []
    for rank in range(max(size, 1)):
        child = os.fork()
        if child == 0:
            if size:
                names = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                os.environ.update({name: str(value) for name, value in names.items()})
            try:
                work(rank)
            except BaseException as error:
                print(f"rank {rank} of {size}: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main() -> None:
    """All cases, by these numbers of ranks."""
    from steepest.data import kept_passes
    from steepest.data.row_groups import RowGroups
    from steepest.ranks.group import begun

    # a crowded machine may be so slow that a first pass is kept, and each rank is to make its own
    kept_passes.WORTH = np.inf
    folder, sizes, *cases = sys.argv[1:]
    for size in map(int, sizes.split(",")):

        def work(rank: int, size: int = size) -> None:
            read, as_it_is = list[int](), RowGroups._read
            RowGroups._read = lambda files, number, whole: read.append(number) or as_it_is(files, number, whole)
            with begun(60.0):
                for case in cases:
                    read.clear()
                    found = fitted(folder, case) | {"read": np.unique(read)}
                    if rank == size - 1 or not size:  # the last one: it has read nothing of the first row groups
                        np.savez(f"{folder}/{case}-{size}.npz", **found)

        codes = in_ranks(size, work)
        if any(codes):
            raise SystemExit(f"{size} ranks ended with {codes}")


def import_what_is_needed() -> None:
    """What commands import on their way, once for all forks."""
    for name in NEEDED:
        import_module(name)
    for name in ("steepest.analysis.checks", "steepest.storage", "steepest.inference", "steepest.cli"):
        for found in iter_modules(import_module(name).__path__, f"{name}."):
            import_module(found.name)


if __name__ == "__main__":
    import_what_is_needed()
    main()
