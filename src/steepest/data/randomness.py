"""Random numbers that PyTorch draws from its one generator: seeded for a while, and given back as they were.

Dropout, and the layers of a user's own function, can draw from nowhere else. The lock lets no two threads of ours
seed that generator at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from steepest.lazy import torch

_lock = RLock()


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within it PyTorch draws what it draws after `torch.manual_seed(seed)`; afterwards its generator is as it was."""
    index = None if device is None else device.index
    generator = torch.default_generator if index is None else torch.cuda.default_generators[index]
    with _lock:
        state = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(state)
