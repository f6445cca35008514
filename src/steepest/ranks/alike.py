"""Ranks that are to walk one path must be begun alike: the same packages, settings and files on each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from steepest.errors import RunError
from steepest.ranks.group import Group

PACKAGES = ("steepest", "torch", "numpy", "scipy", "pyarrow")
"""Whose version decides the last bits."""


def alike(group: Group, what: Mapping[str, str]) -> None:
    """Raise RunError where a rank has something else than the first one, on every rank."""
    if group.size == 1:
        return
    first, *others = (json.loads(one) for one in group.all_of(json.dumps(dict(what)).encode()))
    for rank, other in enumerate(others, 1):
        for name in (*first, *other):
            theirs, ours = other.get(name, "none"), first.get(name, "none")
            if theirs != ours:
                raise RunError(f"Rank {rank} has {name} {theirs}, and the first rank {ours}: begin all of them alike.")


def begun_alike(group: Group, settings: Mapping[str, Any]) -> None:
    """Raise RunError where ranks run other versions of packages, or with other settings; what has no name is not compared."""
    if group.size > 1:
        from importlib.metadata import version

        versions = {name: version(name) for name in PACKAGES}
        alike(group, versions | {name: _shown(value) for name, value in settings.items()})


def _shown(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return type(value).__name__
