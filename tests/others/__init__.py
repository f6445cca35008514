"""Other people's mistakes: faults as they are told in public, rebuilt with other numbers, each beside a healthy twin.

    case.py    what a case is
    judge.py   each fitted, diagnosed, treated as printed, and judged
    wilson.py  the interval of a share
    known/     cases that the checks may be developed with
    held/      cases that were fixed before any check was touched, and that are only run

`cases("known")` and `cases("held")` are all cases of a half, those of every file in its folder.
`python benchmarks/others_cases.py` prints what became of each.
"""

from __future__ import annotations
