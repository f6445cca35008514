"""The peers that train an `nn.Module`, each at its best reasonable setting: rows in memory, minibatches, plain SGD, mse.

Each trains for some epochs and returns the seconds of its median epoch, so that what it needs to set itself up does
not count. `skorch` and `lightning` get their batches from a `BatchSampler`, a whole batch by one index: row by row, as
a plain `DataLoader` collects them, they are several times slower.
"""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset


def index_loop(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """What one writes by hand: a permutation, rows by index."""
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    return _epochs(
        lambda: _train(module, optimizer, ((x[rows], y[rows]) for rows in torch.randperm(len(x)).split(batch))), epochs
    )


def plain_loader(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """What the tutorials write: a shuffled DataLoader over a TensorDataset."""
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True)
    return _epochs(lambda: _train(module, optimizer, loader), epochs)


def skorch(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """No validation split, nothing printed, no metrics beyond its own history."""
    from skorch import NeuralNetRegressor
    from skorch.dataset import Dataset

    net = NeuralNetRegressor(
        module, criterion=nn.MSELoss, optimizer=torch.optim.SGD, lr=lr, max_epochs=epochs, train_split=None, verbose=0,
        iterator_train__batch_size=None, iterator_train__sampler=_whole_batches(len(x), batch),
    )  # fmt: skip
    net.fit(Dataset(x, y[:, None]), None)
    return statistics.median(net.history[:, "dur"])


def lightning(module: nn.Module, x: Tensor, y: Tensor, batch: int, epochs: int, lr: float) -> float:
    """No logger, no checkpoints, no bar, no summary."""
    import lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def training_step(self, pair: tuple[Tensor, Tensor], _: int) -> Tensor:
            return nn.functional.mse_loss(self.inner(pair[0])[:, 0], pair[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=lr)

    class Clock(pl.Callback):
        def on_train_epoch_start(self, trainer: object, pl_module: object) -> None:
            times.append([time.perf_counter()])

        def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
            times[-1].append(time.perf_counter())

    times: list[list[float]] = []
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    loader = DataLoader(TensorDataset(x, y), batch_size=None, sampler=_whole_batches(len(x), batch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice on workers, which would only slow this down
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[Clock()],
        )  # fmt: skip
        trainer.fit(Module(), loader)
    return statistics.median(end - start for start, end in times)


def _train(module: nn.Module, optimizer: torch.optim.Optimizer, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    for rows, target in pairs:
        optimizer.zero_grad()
        nn.functional.mse_loss(module(rows)[:, 0], target).backward()
        optimizer.step()


def _epochs(run: object, epochs: int) -> float:
    times = [time.perf_counter()]
    for _ in range(epochs):
        run()
        times.append(time.perf_counter())
    return statistics.median(after - before for before, after in pairwise(times))


def _whole_batches(rows: int, batch: int) -> BatchSampler:
    return BatchSampler(RandomSampler(range(rows)), batch, drop_last=False)
