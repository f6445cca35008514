"""Modules in code: a net of PyTorch's layers, or the user's own class by its source, where it starts, and θ at the end."""

from __future__ import annotations

import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from steepest.choices import is_choice, locate, parse
from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.descents import Moving
from steepest.export.linear import tensors
from steepest.export.python_text import Part, array, called, number
from steepest.export.rows import Rows, loading
from steepest.export.sources import layers, source
from steepest.export.terms import SOFT, printed, sizes
from steepest.formulas.models import MODELS
from steepest.lazy import nn, torch
from steepest.model import wrapped_modules

BATCH_NORM = nn.modules.batchnorm._BatchNorm


class Net:
    """The parts of a module's script: `net`, `model(x)`, and the files that its start needs.

    file: the script's, None if it has none.
    """

    def __init__(self, case: Case, rows: Rows, file: Path | None, notebook: bool):
        self.case, self.rows, self.file, self.notebook = case, rows, file, notebook
        self.files = dict[str, np.ndarray]()
        module = case.fit.network
        if module is None:
            raise FitError("This fit has lost its module. Say which it was: model=….")
        if isinstance(module, wrapped_modules.WholeNumbers):
            raise FitError("This module takes whole numbers, and a script has its columns as floats.")
        self.scaled = isinstance(module, wrapped_modules.Scaled)
        self.inner: nn.Module = module.module if isinstance(module, wrapped_modules.Scaled) else module
        if any(not parameter.requires_grad for parameter in self.inner.parameters()):
            raise FitError("Some parameters of this module stay as they are, and a script would move them too.")
        self.ours = is_choice(case.spec.model, MODELS)
        self.random = any(isinstance(part, nn.modules.dropout._DropoutNd | nn.RReLU) for part in module.modules())
        self.modes = self.random or any(isinstance(part, BATCH_NORM) for part in module.modules())
        self.model = self._model()
        self.called = "model" if self.model else "net"
        self.seen = sizes("p", 0.0 if case.soft else case.penalty.l1, case.penalty.l2)  # by autograd, of each parameter

    def parts(self) -> list[Part]:
        """Data to tensors, the net, its start, the model."""
        return [self._tensors(), self._net(), *self.model]

    def _tensors(self) -> Part:
        case, code, names = self.case, [], self.rows.columns
        held_out = case.test is not None
        if len(names) > 1 or not (self.rows.matrix or case.train.x.ndim > 2):
            for suffix in ("", "_test")[: 1 + held_out]:
                stacked = f"np.column_stack([{', '.join(name + suffix for name in names)}])"
                code.append(f"x{suffix} = {stacked if len(names) > 1 else f'{names[0]}{suffix}[:, None]'}")
        code += tensors(case, self.rows.target, ["x"])
        if not self.scaled:
            return Part("Tensors", "", code)
        code += ["mean, scale = x.mean(0), x.std(0, correction=0)"]
        x = case.train.x
        if (x.std(0) <= 1e-12 * np.abs(x).max(0)).any():
            code.append("scale[scale <= 1e-12 * x.abs().amax(0)] = 1.0  # columns with one value")
        code += [f"{name} = ({name} - mean) / scale" for name in ("x", "x_test")[: 1 + held_out]]
        return Part("Tensors", "The net sees columns of mean 0 and variance 1.", code)

    def _net(self) -> Part:
        case, given = self.case, self.case.spec.model
        seeded, cast = f"torch.manual_seed({case.spec.seed})", "" if case.float32 else ".double()"
        if self.ours:
            said = "Layers with ReLU between them, started as PyTorch starts them" + (
                ", then in double precision." if cast else "."
            )
            code = [seeded, *called("net = nn.Sequential(", *self._layers(), closing=f"){cast}")]
            return Part("The net", said, [*code, *self._start(False)])
        factory = locate(given) if isinstance(given, str) and ":" in given else None
        made = factory is not None and not isinstance(factory, nn.Module)
        text = None if made else layers(self.inner)
        if text is not None:
            code = [*called(f"net = {text[0]}", *text[1:], closing=f"){cast}"), *self._start(True)]
            return Part("The net", "The net, and where the fit started it.", code)
        maker: Any = factory if made else type(self.inner)
        if not callable(maker):
            raise FitError(f"model={given!r} makes no module.")
        takes = [p for p in inspect.signature(maker).parameters.values() if p.default is p.empty]
        if takes and not made:
            raise FitError(
                f"model={maker.__name__}(…) cannot be written out, since what it was made with is not known. Give a function "
                "that makes it: model='package.module:factory'."
            )
        name, lines, imports = source(maker, "model")
        arguments = f"{case.train.x.shape[1]}, {case.outputs}" if len(takes) == 2 else ""
        code = [*lines, *(["", ""] if lines else []), *([seeded] if made else []), f"net = {name}({arguments}){cast}"]
        said = "" if lines else f"{name} is imported from a file of yours."
        return Part("The net", said, [*code, *self._start(not made)], imports)

    def _layers(self) -> list[str]:
        widths = (self.case.train.x.shape[1], *parse(self.case.spec.model, MODELS, "model").numbers, self.case.outputs)
        return [part for a, b in pairwise(widths) for part in (f"nn.Linear({a}, {b})", "nn.ReLU()")][:-1]

    def _start(self, own: bool) -> list[str]:
        """Lines that put the net where the descent began. own: a module as the user gave it, whose weights are its own."""
        case, values = self.case, self.case.start
        fill = f"nn.utils.vector_to_parameters(torch.tensor(start{case.kind}), net.parameters())"
        if values is None and not own:
            return []
        if drawn := case.drawn(str(len(case.names))):
            return [f"start = {drawn}", fill]
        if values is None:
            trace = case.fit.trace
            if trace.theta.shape[1:] != (len(case.names),) or not len(trace) or trace.step[0] != 0:
                raise FitError(
                    "Where this module started is not in the trace. Give a function that makes it, "
                    "model='package.module:factory', or a smaller one."
                )
            values = trace.theta[0]
        if len(values) <= 60 or self.file is None:
            return [*array("start", values), fill]
        self.files["start"] = values
        return [loading(self.file, self.notebook), '    start = data["start"]', fill]

    def _model(self) -> list[Part]:
        case, target, output, code = self.case, self.rows.target, "net(x)", list[str]()
        several = case.train.y.ndim == 2
        if self.scaled and self.ours and not case.loss.classes and case.train.y.dtype.kind == "f":
            axis, spread = ("0", "0, correction=0") if several else ("", "correction=0")
            code, output = [f"centre, gain = {target}.mean({axis}), {target}.std({spread})"], "net(x) * gain + centre"
            if several:
                code += [f"gain[gain <= 1e-12 * {target}.abs().amax(0)] = 1.0", "balance = (gain**2).mean() / gain**2"]
            code += ["", ""]
        if code and several:
            body = [
                f"    out = {output}",
                "    fixed = out.detach()  # slopes as in standardised targets, or only the largest would be fitted",
                "    return fixed + balance * (out - fixed)",
            ]
            return [Part("The model", "", [*code, "def model(x):", *body])]
        if not case.loss.coupled and self._drops_axis():
            output = f"({output})[:, 0]" if " " in output else f"{output}[:, 0]"
        return [] if output == "net(x)" else [Part("The model", "", [*code, "def model(x):", f"    return {output}"])]

    def _drops_axis(self) -> bool:
        """Whether the net gives `[n, 1]` for a target `[n]`."""
        if self.ours:
            return self.case.outputs == 1
        like = next(self.inner.parameters())
        with torch.no_grad():
            shape = self.inner.eval()(torch.as_tensor(self.case.train.x[:2]).to(like)).shape
        return len(shape) == self.case.train.y.ndim + 1 and shape[-1] == 1

    def moving(self) -> Moving:
        """What the loop moves."""
        case, target, l1 = self.case, self.rows.target, number(self.case.penalty.l1)
        weights = ", weights{0}" if case.weighted else ""
        more = " + penalty()" if self.seen else ""
        place = "step, 0" if case.batch is None else f"epoch, step % {case.batching.steps_per_epoch}"
        seeded = f"torch.manual_seed(hash(({case.spec.seed}, {place})))  # of the dropout"

        def proximal(lr: str) -> list[str]:
            return ["for p in free:", f"    p.data.copy_(soft(p.data, {lr}{case.gain} * {l1}))"]

        return Moving(
            variable="theta",
            parameters="net.parameters()",
            value=f"loss({self.called}(x{{0}}), {target}{{0}}{weights}){more}".format,
            gradient="nn.utils.parameters_to_vector(p.grad for p in net.parameters())",
            clear="net.zero_grad()",
            proximal=proximal,
            before=[seeded] if self.random else [],
        )

    def vector(self) -> Part:
        """All parameters as views into one vector, so that moving it moves the net."""
        code = [
            "theta = nn.utils.parameters_to_vector(net.parameters()).detach()",
            "nn.utils.vector_to_parameters(theta, net.parameters())",
        ]
        said = "All parameters as one vector: the net's are views into it, and move with it."
        return Part("One vector", said, code)

    def penalty(self) -> list[Part]:
        """The penalty on all parameters but biases, and the soft threshold where it needs one."""
        if not self.case.penalty:
            return []
        code = ['free = [p for name, p in net.named_parameters() if not name.endswith("bias")]']
        if self.seen:
            code += ["", "", "def penalty():", f"    return sum({self.seen} for p in free)"]
        return [
            Part("The penalty", "A penalty on all parameters but biases.", code),
            *([SOFT] if self.case.soft else []),
        ]

    def ending(self) -> Part:
        """The loss and the parameters, printed."""
        case = self.case
        whole = f"sum({sizes('p', case.penalty.l1, case.penalty.l2)} for p in free)"
        predicted, held_out = f"{self.called}(x)", f"{self.called}(x_test)"
        code = [
            *(["net.eval()"] if self.modes else []),
            *printed(case, predicted, self.rows.target, whole if case.penalty else "", held_out),
            "for name, parameter in net.named_parameters():",
            "    for place, value in np.ndenumerate(parameter.detach().numpy()):",
            '        entry = f"[{\',\'.join(map(str, place))}]" if parameter.numel() > 1 else ""',
            "        print(name + entry, value)",
        ]
        return Part("The result", "", code)
