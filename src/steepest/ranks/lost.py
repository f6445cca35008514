"""What is said where a rank is missed: who it is, how it shows, and what is to be done."""

from __future__ import annotations

from collections.abc import Collection

from steepest.errors import RunError

GO_ON = "A run with a folder goes on from its last checkpoint with the same command."


class RankLost(RunError):
    """A rank has ended, or does not answer: what ranks share cannot be done."""

    @classmethod
    def told(cls, missing: Collection[int], rank: int, waited: float | None, remedy: str) -> RankLost:
        """The error of these ranks, on one of the others.

        waited: seconds that they were waited for, where they did not answer in time; None where they have ended.
        """
        if set(missing) == {rank}:
            who = "torchrun, through which the ranks find one another,"
        elif missing:
            who = f"Rank{'s' * (len(missing) > 1)} {', '.join(map(str, sorted(missing)))}"
        else:
            who = "The connection between the ranks, which are all there," if waited is None else "A rank"
        if waited is None:
            return cls(f"{who} ended in the middle of the work. {remedy}")
        return cls(
            f"{who} did not answer within {waited:g} seconds (rank_timeout): a process that hangs, or a machine that is stopped "
            f"or far slower than the others. {remedy}"
        )
