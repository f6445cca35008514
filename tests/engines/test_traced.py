"""Operations written down once give on other numbers what the function itself gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steepest.engines.traced import write


def test_a_module_its_gradient_and_vmap_are_written_down():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)).double()
    names = [name for name, _ in module.named_parameters()]

    def one(parameters, x):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,)).square().mean()

    def both(*tensors):
        *parameters, x = tensors
        values, grads = torch.func.vmap(torch.func.grad_and_value(one), in_dims=(0, None))(tuple(parameters), x)
        return (grads, *values)

    def numbers(seed):
        random = torch.Generator().manual_seed(seed)
        shapes = [(3, *p.shape) for p in module.parameters()]
        return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in [*shapes, (7, 2)]]

    tape = write(both, *numbers(0))
    for seed in (1, 2):
        for ours, expected in zip(tape(*numbers(seed)), both(*numbers(seed)), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-13, atol=1e-15)


def test_constants_are_kept_and_operations_in_place_are_done_in_order():
    table = torch.arange(4.0)

    def function(x):
        y = x + table
        y.mul_(2.0)
        return y.sum(), y[1:] * 1

    tape = write(function, torch.zeros(4))
    total, tail = tape(torch.ones(4))
    assert total.item() == 20.0
    assert tail.tolist() == [4.0, 6.0, 8.0]


def test_what_changes_nothing_is_left_out():
    tape = write(lambda x: ((x.view(3).detach().expand(3) ** 1) + 1,), torch.zeros(3))
    assert len(tape.lines) == 1
    assert tape(torch.tensor([1.0, 2.0, 3.0]))[0].tolist() == [2.0, 3.0, 4.0]


def test_a_result_may_be_what_was_given():
    given = torch.tensor([5.0])
    assert write(lambda x: (x, x + 1), torch.zeros(1))(given)[0] is given


@pytest.mark.parametrize("shapes", [((3, 4, 1), (3, 1, 5)), ((3, 4, 5), (3, 5, 1)), ((3, 1, 5), (3, 5, 4))])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_many_small_matrices_are_numpys(shapes, turned):
    def product(a, b):
        if turned:
            a, b = b.transpose(1, 2), a.transpose(1, 2)
        return (torch.bmm(a, b).reshape(3, -1) + 0.5,)

    random = np.random.default_rng(0)
    left, right = (random.normal(size=shape) for shape in shapes)
    tape = write(product, *(torch.zeros(shape, dtype=torch.float64) for shape in shapes))
    expected = right.swapaxes(1, 2) @ left.swapaxes(1, 2) if turned else left @ right
    found = tape(torch.from_numpy(left), torch.from_numpy(right))[0]
    np.testing.assert_allclose(found, expected.reshape(3, -1) + 0.5, rtol=1e-13)


def test_what_depends_on_no_number_is_kept():
    def function(x):
        return (x * (torch.ones_like(x).unsqueeze(1) / 4).squeeze(1),)

    tape = write(function, torch.zeros(3))
    assert len(tape.lines) == 1
    assert tape(torch.tensor([1.0, 2.0, 4.0]))[0].tolist() == [0.25, 0.5, 1.0]
