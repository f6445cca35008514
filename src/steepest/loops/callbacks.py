"""A recorder as a callback of Lightning's and of Hugging Face's trainers; both are imported here when one is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from steepest.errors import SpecError

if TYPE_CHECKING:
    from steepest.loops.recorder import Recorder


def lightning_callback(recorder: Recorder) -> Any:
    """The recorder as a callback of a Lightning `Trainer`: `Trainer(callbacks=[recorder.lightning_callback()])`.

    It steps before each update of the recorder's optimiser, of the first one where it was given none, with the loss that is
    differentiated and the trainer's epoch.

    Returns:
        A `lightning.pytorch.Callback`, or one of `pytorch_lightning` where that is what was imported.

    Raises:
        SpecError: neither of the two is installed.

    Example:
        >>> import steepest as st
        >>> st.Recorder.lightning_callback is lightning_callback
        True
    """
    known = [name for name in ("lightning.pytorch", "pytorch_lightning") if name in sys.modules]
    base = _imported([*known, "lightning.pytorch", "pytorch_lightning"], "lightning").Callback

    class Recording(base):
        loss: Any = None

        def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
            # of accumulated gradients each loss is divided by their number already
            self.loss = loss.detach() if self.loss is None else self.loss + loss.detach()

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            if recorder.takes_rates_of(optimizer):
                loss, self.loss = self.loss, None
                recorder.step(loss, epoch=trainer.current_epoch)

    return Recording()


def transformers_callback(recorder: Recorder) -> Any:
    """The recorder as a callback of Hugging Face's `Trainer`: `Trainer(…, callbacks=[recorder.transformers_callback()])`.

    It steps before each update, with the loss that the model returned and the trainer's epoch; the gradient is the one
    that the update sees, clipped by `max_grad_norm`.

    Returns:
        A `transformers.TrainerCallback`.

    Raises:
        SpecError: transformers is not installed.

    Example:
        >>> import steepest as st
        >>> st.Recorder.transformers_callback is transformers_callback
        True
    """
    base = _imported(["transformers"], "transformers").TrainerCallback

    class Recording(base):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if recorder.takes_rates_of(given.get("optimizer")):
                recorder.step(epoch=int(state.epoch or 0))

    return Recording()


def _imported(names: list[str], package: str) -> Any:
    """The first of these modules that is there."""
    for name in names:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0]:
                raise
    raise SpecError(f"The package {package} is not installed: pip install {package}.")
