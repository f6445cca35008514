"""A sweep that ranks divide: each works its units, and the first one has them all, as one process would.

unit    runs that go side by side, or one that goes alone: the same ones whoever works them       sweeping.Work
sent    of each unit the rows of its table and of its files, as a sweep's folder has them         storage/sweep_runs.py
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from steepest import errors
from steepest.data.packing import bytes_of, packed, table_of, unpacked
from steepest.descent.stopping import Status
from steepest.errors import SpecError, SteepestError
from steepest.ranks.alike import begun_alike
from steepest.ranks.group import Group
from steepest.storage.sweep_runs import StoredRuns, fits_of_lot
from steepest.sweep_result import Sweep
from steepest.sweeping import BEFORE_IT_BEGAN, Progress, Work, prepared
from steepest.sweeps.run_results import COLUMNS, Unfit

SHOWN = "of a rank"


def sweep(group: Group, x: Any, progress: Progress | None, settings: dict[str, Any]) -> Sweep | None:
    """What `st.sweep` gives, on the first of some ranks; None on the others.

    Raises:
        SteepestError: as `st.sweep`, on every rank. RunError: a rank has ended, or shows no progress for too long.
    """
    begun_alike(group, settings)
    work, source = prepared(x, None, None, progress, settings)
    work.mine = lambda unit: unit % group.size == group.rank
    work.beat, work.shown = group.beat, lambda *_: group.beat()
    whole = work.go_through()
    sent = packed(_units(work, source))
    group.meet(signalled=not whole)
    each = [unpacked(one) for one in group.to_first(sent)]
    return _together(work, each, source) if group.first else None


def _units(work: Work, source: str | None) -> dict[str, bytes]:
    """The units that were worked here, by their numbers; and the first error of a run alone, if there was one."""
    left = work.places[:, 0] < 0
    places = np.where(left[:, None], [len(work.lots), 0], work.places).tolist()
    partial = Sweep(work.runs.settings(), [*work.lots, Unfit("", "")], places)
    partial.source = source
    found = {}
    for lot, unit in enumerate(work.units):
        runs = [(run, place) for run, (own, place) in enumerate(places) if own == lot]
        rows = work.lots[lot].rows()
        known = [rows[place] | {"run": run} for run, place in runs]
        found[f"{unit} known"] = json.dumps(known).encode()
        found[f"{unit} fits"] = bytes_of(fits_of_lot(partial, lot, runs))
    error = work.first_error
    return found | ({} if error is None else {"error": json.dumps([type(error).__name__, str(error)]).encode()})


def _together(work: Work, each: list[dict[str, bytes]], source: str | None) -> Sweep:
    """The sweep of all ranks' units."""
    faults = [json.loads(one.pop("error")) for one in each if "error" in one]
    files = {name: content for one in each for name, content in one.items()}
    known: dict[int, dict[str, Any]] = {}
    fits: list[pa.Table] = []
    for unit in sorted({int(name.split()[0]) for name in files}):
        known |= {row["run"]: row for row in json.loads(files[f"{unit} known"])}
        fits.append(table_of(files[f"{unit} fits"]))
    left = [run for run in range(work.runs.count) if run not in known]
    if faults and not left and all(row["status"] == "failed" for row in known.values()):
        kind = getattr(errors, faults[0][0], SpecError)
        raise kind(faults[0][1]) if issubclass(kind, SteepestError) else SpecError(faults[0][1])
    if left:
        lot = Unfit(Status.INTERRUPTED.name.lower(), BEFORE_IT_BEGAN, len(left))
        rest = Sweep(work.runs.settings(), [lot], [[0, place] for place in range(len(left))])
        known |= dict(zip(left, lot.rows(), strict=True))
        fits.append(fits_of_lot(rest, 0, [(run, place) for place, run in enumerate(left)]))
    columns = {name: [known[run][name] for run in range(work.runs.count)] for name in COLUMNS}
    stored = StoredRuns(pa.concat_tables(fits), columns, SHOWN)
    done = Sweep(work.runs.settings(), [stored], [[0, run] for run in range(work.runs.count)])
    done.source = source
    return done
