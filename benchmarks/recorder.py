"""What `recorder.step()` costs beside the loop that it records, and beside keeping the same by hand.

    python benchmarks/recorder.py [--quick]

Loops of PyTorch's on one thread: as it is, with the loss and the parameters of every step kept by hand, and recorded. They take
turns, a block of steps each, and the medians of the blocks are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn

import steepest as st
from side_by_side import Goal, Peer, Table, block, options, save, short, take_turns

BLOCK = 50
BARE, BY_HAND, RECORDED = "the loop as it is", "loss and θ kept by hand", "recorder.step()"


def perceptron(*widths: int) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def loop(widths: tuple[int, ...], rows: int, way: str) -> Iterator[None]:
    """A step of the loop each time that it is asked for one."""
    model, criterion = perceptron(*widths), nn.MSELoss()
    x, y = torch.randn(rows, widths[0]), torch.randn(rows, widths[-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    recorder = st.Recorder(model, criterion, optimizer) if way == RECORDED else None
    losses, parameters = [], []
    while True:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        if recorder is not None:
            recorder.step()
        elif way == BY_HAND:
            losses.append(loss.item())
            parameters.append([p.detach().clone() for p in model.parameters()])
            if len(losses) == 2_000:  # as many as the memory should hold
                losses, parameters = [], []
        optimizer.step()
        yield


def measured(widths: tuple[int, ...], rows: int, turns: int) -> tuple[tuple[str, ...], float]:
    """A line of the table, and how many times the loop's time a recorded one takes."""
    peers = [Peer(way, block(loop(widths, rows, way), BLOCK)) for way in (BARE, BY_HAND, RECORDED)]
    timed = take_turns(peers, turns)
    bare = timed[BARE].median
    count = sum((a + 1) * b for a, b in pairwise(widths))
    cells = [f"{short(timed[way].median / bare)}" for way in (BY_HAND, RECORDED)]
    more = (timed[RECORDED].median - bare) * 1e6
    line = (" → ".join(map(str, widths)), f"{count:,}", f"{rows}", short(bare * 1e6), *cells, short(more))
    return line, timed[RECORDED].median / bare


def main() -> int:
    quick = options(__doc__ or "").quick
    torch.set_num_threads(1)
    cases = [((20, 32, 1), 100), ((64, 128, 128, 10), 128), ((256, 512, 512, 10), 128), ((784, 1024, 10), 256)]
    found = [measured(*case, turns=3 if quick else 15) for case in (cases[:1] if quick else cases)]
    head = ("module", "parameters", "rows", "µs a step", f"× {BY_HAND}", f"× {RECORDED}", "µs more")
    table = Table("What `recorder.step()` costs", head, [line for line, _ in found])
    goals = [Goal(f"a loop of {line[0]} recorded, over the loop", ratio) for line, ratio in found]
    save("recorder", quick, [table], goals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
