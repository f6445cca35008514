"""What a tracker costs a loop of steps of a millisecond and more: its server there, and its server killed.

    python benchmarks/trackers.py [--quick]

Loops of PyTorch's on one thread, recorded, take turns, a block of steps each: without a tracker, with each tracker, and with one
whose server is gone. The time of the processor is compared, the tracker's own thread with it; the server is another process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import steepest as st
from side_by_side import Goal, Peer, Table, block, options, save, short, take_turns

SERVER = Path(__file__).parents[1] / "tests" / "tracking_server.py"
WIDTHS, ROWS, BLOCK = (256, 320, 10), 192, 400
NONE, BOARD, FLOW, GONE = "no tracker", "TensorBoard", "MLflow", "MLflow, server killed"


def loop(tracker: Callable[..., None] | None) -> Iterator[None]:
    """A step of the loop each time that it is asked for one."""
    torch.manual_seed(0)
    layers = [nn.Linear(WIDTHS[0], WIDTHS[1]), nn.ReLU(), nn.Linear(WIDTHS[1], WIDTHS[2])]
    model, criterion = nn.Sequential(*layers), nn.MSELoss()
    x, y = torch.randn(ROWS, WIDTHS[0]), torch.randn(ROWS, WIDTHS[2])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    recorder = st.Recorder(model, criterion, optimizer, record=["0.bias[0]"], progress=tracker)
    while True:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        recorder.step()
        optimizer.step()
        yield


def main() -> int:
    quick = options(__doc__ or "").quick
    torch.set_num_threads(1)
    count = 50 if quick else BLOCK
    with tempfile.TemporaryDirectory() as folder:
        servers, addresses = [], []
        for name in "ab":
            words = [sys.executable, str(SERVER), "0", str(Path(folder, name))]
            servers.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
            addresses.append(f"http://127.0.0.1:{int(servers[-1].stdout.readline())}")
        trackers = {
            BOARD: st.TensorBoard(Path(folder, "board")),
            **{n: st.MLflow(a) for n, a in zip((FLOW, GONE), addresses, strict=True)},
        }
        servers[1].kill()
        peers = [Peer(name, block(loop(trackers.get(name, lambda *_: None)), count)) for name in (NONE, *trackers)]
        timed = take_turns(peers, 3 if quick else 11)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the server that is gone
            left = {name: tracker.close(0.0 if name == GONE else 60.0) for name, tracker in trackers.items()}
        servers[0].kill()
    bare = timed[NONE].median
    ratios = {name: timed[name].median / bare for name in timed}
    lines = [
        (name, short(timed[name].median * 1e6), f"{r:.3f}", f"{left.get(name, 0):,}") for name, r in ratios.items()
    ]
    table = Table("What a tracker costs a loop", ("", "µs a step", f"× {NONE}", "rows unsent in the end"), lines)
    save("trackers", quick, [table], [Goal(f"{name} over {NONE}", ratios[name], "≤", 1.02) for name in trackers])
    return 0


if __name__ == "__main__":
    sys.exit(main())
