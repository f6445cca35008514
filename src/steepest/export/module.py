"""Modules in code: a net of PyTorch's layers, or the user's own class by its source, where it starts, and θ at the end."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import nn

from steepest.choices import is_choice, locate, parse
from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.descents import Moving
from steepest.export.linear import TORCH, _converted, target_kind
from steepest.export.python_text import Part, array, called, number
from steepest.export.rows import Rows, loading
from steepest.export.sources import layers, source
from steepest.export.terms import SOFT
from steepest.formulas.models import MODELS
from steepest.model import modules

NN = frozenset({"from torch import nn"})


class Net:
    """The parts of a module's script: `net`, `model(x)`, and the files that its start needs."""

    def __init__(self, case: Case, rows: Rows):
        self.case, self.rows, self.files = case, rows, dict[str, np.ndarray]()
        module = case.fit.network
        if module is None:
            raise FitError("This fit has lost its module. Say which it was: model=….")
        if isinstance(module, modules.WholeNumbers):
            raise FitError("This module takes whole numbers, and a script has its columns as floats.")
        self.scaled = isinstance(module, modules.Scaled)
        self.inner: nn.Module = module.module if isinstance(module, modules.Scaled) else module
        if any(not parameter.requires_grad for parameter in self.inner.parameters()):
            raise FitError("Some parameters of this module stay as they are, and a script would move them too.")
        self.ours = is_choice(case.fit.spec.model, MODELS)
        self.random = any(isinstance(part, nn.modules.dropout._DropoutNd | nn.RReLU) for part in module.modules())
        self.modes = self.random or any(isinstance(p, nn.modules.batchnorm._BatchNorm) for p in module.modules())
        self.images = case.train.x.ndim > 2

    def parts(self, file: Path | None, notebook: bool) -> list[Part]:
        """Data to tensors, the net, its start, the model."""
        return [self._tensors(), self._net(file, notebook), *self._model()]

    def _tensors(self) -> Part:
        case, target = self.case, self.rows.target
        code, names = [], self.rows.columns
        if len(names) > 1 or not (self.rows.matrix or self.images):
            for suffix in ("", *(("_test",) if case.test is not None else ())):
                inside = f"np.column_stack([{', '.join(name + suffix for name in names)}])"
                code.append(f"x{suffix} = {inside if len(names) > 1 else f'{names[0]}{suffix}[:, None]'}")
        if case.weighted:
            code.append("weights = weights / weights.mean()")
        kind, goal = ", dtype=torch.float32" if case.float32 else "", target_kind(case)
        every = ["x", *(["weights"] if case.weighted else [])]
        if goal == kind:
            code += _converted([*every, target], kind)
        else:
            code += [*_converted(every, kind), f"{target} = torch.tensor({target}{goal})"]
        if case.test is not None:
            if case.test.weights is not None:
                code.append("weights_test = weights_test / weights_test.mean()")
                code += _converted(["weights_test"], kind)
            code += [f"x_test = torch.tensor(x_test{kind})", f"{target}_test = torch.tensor({target}_test{goal})"]
        said = ""
        if self.scaled:
            said = "The net sees columns of mean 0 and variance 1."
            code += ["mean, scale = x.mean(0), x.std(0, correction=0)"]
            x = case.train.x
            if (x.std(0) <= 1e-12 * np.abs(x).max(0)).any():
                code.append("scale[scale <= 1e-12 * x.abs().amax(0)] = 1.0  # columns with one value")
            code.append("x = (x - mean) / scale")
            if case.test is not None:
                code.append("x_test = (x_test - mean) / scale")
        return Part("Tensors", said, code, TORCH | frozenset({"import numpy as np"} if len(names) > 1 else ()))

    def _net(self, file: Path | None, notebook: bool) -> Part:
        case, given = self.case, self.case.fit.spec.model
        cast = "" if case.float32 else ".double()"
        if self.ours:
            text = self._layers()
            code = [f"torch.manual_seed({case.fit.spec.seed})", *_made(text, cast)]
            said = "Layers with ReLU between them, started as PyTorch starts them, then in double precision."
            said = said if cast else "Layers with ReLU between them, started as PyTorch starts them."
            return Part("The net", said, [*code, *self._start(file, notebook, False)], TORCH | NN)
        if isinstance(given, str) and ":" in given:
            factory = locate(given)
            if not isinstance(factory, nn.Module):
                return self._factory(factory, cast, file, notebook)
        text = layers(self.inner)
        if text is not None:
            code = [*_made(text, cast), *self._start(file, notebook, True)]
            return Part(
                "The net", "The net, and where the fit started it.", code, TORCH | NN | self._loads(file, notebook)
            )
        kind = type(self.inner)
        takes = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        if takes:
            raise FitError(
                f"model={kind.__name__}(…) cannot be written out, since what it was made with is not known. Give a function "
                "that makes it: model='package.module:factory'."
            )
        name, lines, imports = source(kind, "model")
        code = [*lines, *(["", ""] if lines else []), f"net = {name}(){cast}", *self._start(file, notebook, True)]
        return Part(
            "The net",
            "" if lines else f"{name} is imported from a file of yours.",
            code,
            TORCH | imports | self._loads(file, notebook),
        )

    def _layers(self) -> list[str]:
        inputs, outputs = self.case.train.x.shape[1], self.case.outputs
        sizes = [inputs, *(int(width) for width in parse(self.case.fit.spec.model, MODELS, "model")[1])]
        inside = [part for a, b in pairwise(sizes) for part in (f"nn.Linear({a}, {b})", "nn.ReLU()")]
        return ["nn.Sequential(", *inside, f"nn.Linear({sizes[-1]}, {outputs})"]

    def _factory(self, factory: object, cast: str, file: Path | None, notebook: bool) -> Part:
        case = self.case
        if not callable(factory):
            raise FitError(f"model={case.fit.spec.model!r} makes no module.")
        takes = [p for p in inspect.signature(factory).parameters.values() if p.default is p.empty]
        arguments = f"{case.train.x.shape[1]}, {case.outputs}" if len(takes) == 2 else ""
        name, lines, imports = source(factory, "model")
        code = [*lines, *(["", ""] if lines else []), f"torch.manual_seed({case.fit.spec.seed})"]
        code += [f"net = {name}({arguments}){cast}", *self._start(file, notebook, False)]
        return Part("The net", "" if lines else f"{name} is imported from a file of yours.", code, TORCH | imports)

    def _start(self, file: Path | None, notebook: bool, own: bool) -> list[str]:
        """Lines that put the net where the descent began. own: a module as the user gave it, whose weights are its own."""
        case = self.case
        values = case.start
        fill = "nn.utils.vector_to_parameters(torch.tensor(start" + (", dtype=torch.float32" if case.float32 else "")
        fill += "), net.parameters())"
        if values is None and not own:
            return []
        given = case.fit.spec.init
        if isinstance(given, str) and given != "zeros":
            kind, _, rest = given.partition(":")
            parts = [number(float(part)) for part in rest.replace(":", ",").split(",")] if rest else []
            count = len(case.names)
            draw = f"normal(0.0, {parts[0] if parts else '1.0'}, {count})" if kind == "normal" else ""
            draw = draw or f"uniform({parts[0]}, {parts[1]}, {count})"
            return [f"start = np.random.default_rng([{case.fit.spec.seed}, 2]).{draw}", fill]
        if values is None:
            trace = case.fit.trace
            if trace.theta.shape[1:] != (len(case.names),) or not len(trace) or trace.step[0] != 0:
                raise FitError(
                    "Where this module started is not in the trace. Give a function that makes it, "
                    "model='package.module:factory', or a smaller one."
                )
            values = trace.theta[0]
        if len(values) <= 60 or file is None:
            return [*array("start", values), fill]
        self.files["start"] = values
        return [loading(file, notebook)[0], '    start = data["start"]', fill]

    def _loads(self, file: Path | None, notebook: bool) -> frozenset[str]:
        """What it takes to read the start, where that stands in the file beside the script."""
        needed = NN | frozenset({"import numpy as np"})
        return needed | loading(file, notebook)[1] if file is not None and "start" in self.files else needed

    def _model(self) -> list[Part]:
        output = "net(x)"
        code: list[str] = []
        if self.scaled and self._gains():
            target = self.rows.target
            several = self.case.train.y.ndim == 2
            axis = "0" if several else ""
            spread = f"{target}.std(0, correction=0)" if several else f"{target}.std(correction=0)"
            code += [f"centre, gain = {target}.mean({axis}), {spread}"]
            output = "net(x) * gain + centre"
            if several:
                code += [
                    f"gain[gain <= 1e-12 * {target}.abs().amax(0)] = 1.0",
                    "balance = (gain**2).mean() / gain**2",
                    "",
                    "",
                ]
                body = [
                    f"    out = {output}",
                    "    fixed = out.detach()  # slopes as in standardised targets, or only the largest would be fitted",
                    "    return fixed + balance * (out - fixed)",
                ]
                return [Part("The model", "", [*code, "def model(x):", *body], TORCH)]
            code += ["", ""]
        if not self.case.loss.coupled and self._drops_axis():
            output = f"({output})[:, 0]" if " " in output else f"{output}[:, 0]"
        if output == "net(x)":
            return []
        return [Part("The model", "", [*code, "def model(x):", f"    return {output}"], TORCH)]

    def _gains(self) -> bool:
        own = isinstance(self.case.fit.spec.model, str) and self.case.fit.spec.model.startswith("mlp")
        return own and not self.case.loss.classes and self.case.train.y.dtype.kind == "f"

    def _drops_axis(self) -> bool:
        """Whether the net gives `[n, 1]` for a target `[n]`."""
        if self.ours:
            return self.case.outputs == 1
        import torch

        like = next(self.inner.parameters())
        with torch.no_grad():
            shape = self.inner.eval()(torch.as_tensor(self.case.train.x[:2]).to(like)).shape
        return len(shape) == self.case.train.y.ndim + 1 and shape[-1] == 1

    # ---- the descent -------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The function that predicts."""
        return "model" if self._model() else "net"

    def moving(self) -> Moving:
        """What the loop moves."""
        case, target = self.case, self.rows.target
        weights = ", weights{0}" if case.weighted else ""
        more = " + penalty()" if self.penalty() else ""
        text = f"loss({self.model}(x{{0}}), {target}{{0}}{weights}){more}"

        def proximal(rate: str) -> list[str]:
            return [
                "for name, parameter in net.named_parameters():",
                '    if not name.endswith("bias"):',
                f"        parameter.data.copy_(soft(parameter.data, {rate}{case.gain} * {number(case.penalty.l1)}))",
            ]

        def before(index: str) -> list[str]:
            if not self.random:
                return []
            place = "step, 0" if case.batch is None else f"epoch, step % {case.batching.steps_per_epoch}"
            return [f"torch.manual_seed(hash(({case.fit.spec.seed}, {place})))  # of the dropout"]

        return Moving(
            variable="theta",
            parameters="net.parameters()",
            value=text.format,
            gradient="nn.utils.parameters_to_vector(p.grad for p in net.parameters())",
            clear="net.zero_grad()  # gradients add up until they are zeroed",
            proximal=proximal,
            untracked=False,
            before=before,
        )

    def vector(self) -> Part:
        """All parameters as views into one vector, so that moving it moves the net."""
        code = [
            "theta = nn.utils.parameters_to_vector(net.parameters()).detach()",
            "nn.utils.vector_to_parameters(theta, net.parameters())",
        ]
        return Part(
            "One vector", "All parameters as one vector: the net's are views into it, and move with it.", code, NN
        )

    def penalty(self) -> list[Part]:
        """The penalty on all parameters but biases."""
        l1, l2 = (0.0 if self.case.soft else self.case.penalty.l1), self.case.penalty.l2
        if not (l1 or l2):
            return []
        sums = [f"{number(l1)} * p.abs().sum()"] if l1 else []
        sums += [f"{number(l2)} * (p**2).sum()"] if l2 else []
        code = [
            "def penalty():",
            '    free = [p for name, p in net.named_parameters() if not name.endswith("bias")]',
            f"    return sum({' + '.join(sums)} for p in free)",
        ]
        return [Part("The penalty", "A penalty on all parameters but biases.", code)]

    def soft(self) -> list[Part]:
        """The soft threshold, where an l1 penalty needs it."""
        return [SOFT] if self.case.soft else []

    def ending(self) -> Part:
        """The loss and the parameters, printed."""
        case, target = self.case, self.rows.target
        code = ["net.eval()"] if self.modes else []
        weights = ", weights" if case.weighted else ""
        value = f"loss({self.model}(x), {target}{weights})"
        if case.penalty:
            code += [f"value = {value}", 'print("loss", value.item())']
            if self.penalty():
                code.append("value += penalty()")
            if case.penalty.l1 and case.soft:
                free = '[p for name, p in net.named_parameters() if not name.endswith("bias")]'
                code += [f"free = {free}", f"value += {number(case.penalty.l1)} * sum(p.abs().sum() for p in free)"]
            code.append('print("objective", value.item())')
        else:
            code.append(f'print("loss", {value}.item())')
        if case.test is not None:
            extra = ""
            if case.weighted:
                extra = ", weights_test" if case.test.weights is not None else ", 1.0"
            code.append(f'print("held-out loss", loss({self.model}(x_test), {target}_test{extra}).item())')
        code += [
            "for name, parameter in net.named_parameters():",
            "    for place, value in np.ndenumerate(parameter.detach().numpy()):",
            '        entry = f"[{\',\'.join(map(str, place))}]" if parameter.numel() > 1 else ""',
            "        print(name + entry, value)",
        ]
        return Part("The result", "", code, frozenset({"import numpy as np"}))


def _made(parts: Sequence[str], cast: str) -> list[str]:
    """`net = ` a call, opened by the first part; its arguments one a line where they are longer than one."""
    return called(f"net = {parts[0]}", *parts[1:], closing=f"){cast}")
