# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3 · Robust losses, residuals and surfaces
#
# One man among twenty changes the answer by half. You find him, compute what he does, and choose a loss that
# hardly listens to him. On the way you draw the loss itself, as a landscape with the path of a descent on it.
#
# You need lesson 1.
#
# **Install.** `make dist` writes `dist/steepest-0.1.0-py3-none-any.whl`. In JupyterLab and VS Code, run
# `%pip install PATH/TO/steepest-0.1.0-py3-none-any.whl` in a cell. In Colab, upload that file first (the folder
# symbol on the left), then run `%pip install steepest-0.1.0-py3-none-any.whl`. The lesson needs nothing else,
# and no network.

# %%
import numpy as np
import torch
from torch import nn

import steepest as st

# %%


def check(name, answer, right, hint):
    """Say whether an answer is right; three dots are no answer yet."""
    if answer is ...:
        print(f"{name}: put your answer in the place of the three dots, and run this cell again.")
    elif right(answer):
        print(f"{name}: right.")
    else:
        print(f"{name}: not yet. {hint}")


# %% [markdown]
# ## One man of twenty
#
# Twenty men in a fitness club, as measured: chin-ups and jumps. How many more jumps does a man make for each
# chin-up more? The least-squares slope has a formula with words from school: correlation times the ratio of the
# standard deviations.


# %% tags=["formula"]
def line_of(x, y):
    """Intercept and slope of the least-squares line, from standard units."""
    correlation = np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std())
    slope = correlation * y.std() / x.std()
    return y.mean() - slope * x.mean(), slope


# %%
club = st.synthetic.sample("linnerud")
chins, jumps = club["Chins"].to_numpy(), club["Jumps"].to_numpy()
everyone = line_of(chins, jumps)
without = [line_of(np.delete(chins, i), np.delete(jumps, i))[1] for i in range(20)]
print(f"slope of all {len(chins)} men: {everyone[1]:.2f} jumps for each chin-up")
print("without one of them:", np.round(without, 1))

assert np.allclose(everyone, np.polyfit(chins, jumps, 1)[::-1])
assert np.isclose(without[9], np.polyfit(np.delete(chins, 9), np.delete(jumps, 9), 1)[0]) and len(chins) == 20
assert f"{everyone[1]:.2f} {without[9]:.2f} {jumps[9]:.0f}" == "4.81 2.39 250"
st.plot(club.select(["Chins", "Jumps"]), target="Jumps")

# %% [markdown]
# All together: 4.81. Without one man, who made 250 jumps: 2.39. **Guess:** how much can one row of twenty
# change the slope of least squares at most?
#
# - `"a"` by a twentieth
# - `"b"` by half
# - `"c"` by any amount

# %% tags=["exercise"]
guess = ...
check("Guess", guess, lambda it: it == "c", "Move him further up: does anything hold the line back?")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# guess = "c"
# ```
#
# The slope is a weighted sum of the targets. Double one target's distance, and its pull doubles.
# </details>
#
# ## What one row does
#
# In formulas: the slope is $\sum w_i y_i$ with $w_i = (x_i - \bar x) / \sum_j (x_j - \bar x)^2$. Whoever moves
# $y_i$ by $\delta$ moves the slope by $w_i \delta$, without any limit.


# %% tags=["formula"]
def pulls(x):
    return (x - x.mean()) / np.sum((x - x.mean()) ** 2)


# %%
moved = jumps.copy()
moved[9] += 1000
change = line_of(chins, moved)[1] - everyone[1]
print(f"a thousand jumps more: the slope changes by {change:.2f}; foretold {1000 * pulls(chins)[9]:.2f}")

assert np.isclose(pulls(chins) @ jumps, everyone[1])
assert np.isclose(change, 1000 * pulls(chins)[9]) and np.isclose(change, np.polyfit(chins, moved - jumps, 1)[0])

# %% [markdown]
# ### Residuals
#
# A residual is what is left: target minus prediction. As vertical sticks in the picture, and below it on their
# own, against a zero line:

# %%
residual = jumps - (everyone[0] + everyone[1] * chins)
shown = st.plot(club.select(["Chins", "Jumps"]), target="Jumps")
for x, top, r in zip(chins, jumps, residual, strict=True):
    shown.line([x, x], [top, top - r], "#7F8A96", width=1, showlegend=False)
ends = np.array([chins.min(), chins.max()])
shown.line(ends, everyone[0] + everyone[1] * ends, "#D55E00", name="least squares")
print(f"the largest residual: {residual.max():.0f} jumps, of man {residual.argmax()}")

assert (
    residual.argmax() == 9 and np.isclose(residual.sum(), 0, atol=1e-9) and np.isclose(residual @ chins, 0, atol=1e-9)
)
shown

# %%
fit = st.fit(club, target="Jumps", columns=["Chins"])
assert np.allclose(fit.theta, everyone) and np.allclose(fit.train.y - fit.predict(fit.train.x), residual)
fit.residuals()

# %% [markdown]
# The sum of the residuals is 0, and so is their product with $x$: that is what least squares means. On the
# right, a sample from a normal distribution would lie on the dashed line. One man does not.
#
# ## Four losses
#
# What a loss says about a residual $r$, and what pulls: its derivative. With squares, the pull grows with the
# distance. With absolute values it is the same for all, only the side counts. Huber's loss is a parabola inside
# $\pm D$ and a straight line outside. The quantile loss weighs the two sides differently.


# %% tags=["formula"]
def squared(r):
    return r**2


def absolute(r):
    return abs(r)


def huber(r, D=1.0):
    return np.where(abs(r) <= D, r**2 / 2, D * (abs(r) - D / 2))


def quantile(r, Q=0.9):
    return np.where(r > 0, Q * r, (Q - 1) * r)


# %%
r = np.linspace(-3, 3, 61)
rows = torch.tensor(r)
zero = torch.zeros(61, dtype=torch.float64)
assert np.allclose(squared(r), nn.functional.mse_loss(rows, zero, reduction="none"))
assert np.allclose(absolute(r), nn.functional.l1_loss(rows, zero, reduction="none"))
assert np.allclose(huber(r), nn.functional.huber_loss(rows, zero, reduction="none", delta=1.0))
assert np.allclose(huber(r, 2.0), nn.functional.huber_loss(rows, zero, reduction="none", delta=2.0))
assert np.allclose(quantile(r), np.maximum(0.9 * r, -0.1 * r)) and np.allclose(quantile(r, 0.5), absolute(r) / 2)

shown = st.plot(r, squared(r))
shown.data = ()
for loss, colour in ((squared, "#D55E00"), (absolute, "#0072B2"), (huber, "#009E73"), (quantile, "#CC79A7")):
    shown.line(r, loss(r), colour, name=loss.__name__)
shown.update_layout(title_text="Four losses of a residual", showlegend=True, yaxis_title="loss", xaxis_title="residual")

# %% [markdown]
# ### What each one aims at
#
# Fit only a constant, and the difference is plain. Squares give the mean, absolute values the median, and the
# quantile loss the quantile.

# %% tags=["formula"]
grid = np.arange(20, 300, 0.05)
spread = jumps[:, None] - grid
lowest = {
    "squared": grid[squared(spread).mean(0).argmin()],
    "absolute": grid[absolute(spread).mean(0).argmin()],
    "quantile 0.7": grid[quantile(spread, 0.7).mean(0).argmin()],
}

# %%
for name, place in lowest.items():
    print(f"{name:13s} is lowest at {place:.2f}")

assert len(grid) == 5600 and abs(lowest["squared"] - np.mean(jumps)) < 0.05
in_order = np.sort(jumps)
assert in_order[9] - 0.05 <= lowest["absolute"] <= in_order[10] + 0.05
assert in_order[13] - 0.05 <= lowest["quantile 0.7"] <= in_order[14] + 0.05
assert np.isclose(np.median(jumps), (in_order[9] + in_order[10]) / 2)

# %% [markdown]
# ### In one call each
#
# The same table, three losses, with and without the man of the 250 jumps:

# %%
slopes = {}
for loss in ("mse", "huber:15", "l1"):
    with_him = st.fit(chins, jumps, loss=loss)
    others = st.fit(np.delete(chins, 9), np.delete(jumps, 9), loss=loss)
    slopes[loss] = with_him.params["x"], others.params["x"]
    print(f"{loss:9s} slope {with_him.params['x']:.2f}, without him {others.params['x']:.2f}")
    assert with_him.relative_gap < 1e-5 and others.relative_gap < 1e-5

assert "{:.2f} {:.2f}".format(*slopes["mse"]) == "4.81 2.39"
assert "{:.2f} {:.2f}".format(*slopes["l1"]) == "2.31 1.90"

# %% [markdown]
# With `l1` the slope goes from 2.31 to 1.90, in place of 4.81 to 2.39. That is what **robust** means: one row
# can say which side it is on, not how far. Who checks that 2.31? A line of least absolute deviations passes
# through two of the rows, so it is enough to try all pairs:

# %% tags=["formula"]
pairs = [(i, j) for i in range(20) for j in range(i) if chins[i] != chins[j]]
steepness = [(jumps[i] - jumps[j]) / (chins[i] - chins[j]) for i, j in pairs]
heights = [jumps[i] - slope * chins[i] for (i, _), slope in zip(pairs, steepness, strict=True)]
errors = [np.mean(abs(jumps - a - b * chins)) for a, b in zip(heights, steepness, strict=True)]
best_pair = int(np.argmin(errors))

# %%
robust = st.fit(chins, jumps, loss="l1")
print(f"best pair: slope {steepness[best_pair]:.6f}, intercept {heights[best_pair]:.6f}, loss {errors[best_pair]:.6f}")
print(f"st.fit:    slope {robust.params['x']:.6f}, intercept {robust.params['intercept']:.6f}, loss {robust.loss:.6f}")

assert np.isclose(errors[best_pair], robust.loss, rtol=1e-5) and np.isclose(
    robust.exact.loss, errors[best_pair], rtol=1e-9
)
assert np.allclose([heights[best_pair], steepness[best_pair]], robust.theta, rtol=1e-3)

# %% [markdown]
# ## A known truth with one outlier
#
# To see how a descent deals with it, take data whose truth is known: the parabola $1 + 3x - 4x^2$ with noise,
# and its first point moved to (-1.5, 10). First a line; the formula says:

# %%
data = st.synthetic.quadratic_with_outlier()
x, y = data.x[:, 0], data.y
by_formula = line_of(x, y)
print(f"intercept {by_formula[0]:.8f}, slope {by_formula[1]:.8f}")

assert "{:.8f} {:.8f}".format(*by_formula) == "-0.26649881 2.64187294"
assert np.allclose(by_formula, np.polyfit(x, y, 1)[::-1]) and (x[0], y[0]) == (-1.5, 10.0)
line = st.fit(x, y)
assert np.allclose(line.theta, by_formula)
line.plot()

# %% [markdown]
# ### A model, three ways
#
# The same line as a plain class, as an `nn.Module`, and as one vector of numbers. They must give the same
# predictions, so that you can take whichever you like.


# %% tags=["formula"]
class Line:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def predict(self, x):
        return self.a + self.b * x


class LineModule(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([a, b], dtype=torch.float64))

    def forward(self, x):
        return self.theta[0] + self.theta[1] * x


# %%
vector = np.array([0.5, 2.0])
plain = Line(0.5, 2.0).predict(x)
assert np.allclose(plain, LineModule(0.5, 2.0)(torch.tensor(x)).detach())
assert np.allclose(plain, np.column_stack([x**0, x]) @ vector)
assert np.allclose(plain, line.predict(x, theta=vector))

# %% [markdown]
# Loss and gradient at any $\theta$ are a call, too:

# %%
absolute_line = st.fit(x, y, loss="l1")
loss, gradient = absolute_line.objective([0, 0])
print(f"l1 at (0, 0): {loss:.14f}, gradient {gradient.round(4)}")
module = LineModule(0.0, 0.0)
(module(torch.tensor(x)) - torch.tensor(y)).abs().mean().backward()
assert np.allclose(gradient, module.theta.grad) and np.isclose(loss, np.mean(abs(y)), rtol=1e-14)
assert np.allclose(gradient, [-np.mean(np.sign(y)), -np.mean(np.sign(y) * x)])
assert f"{loss:.5f} {gradient[0]:.4f} {gradient[1]:.4f}" == "1.93831 -0.1400 -0.4201"

# %% [markdown]
# At (0, 0) the mean absolute error is 1.93831, and its gradient (-0.1400, -0.4201). Predictions at any
# $\theta$, such as (1, 2, 3) for a parabola, are a call: `predict(x, theta=[1, 2, 3])`.

# %%
parabola = st.fit(x, y, model="poly:2", loss="l1")
assert np.allclose(parabola.predict(x, theta=[1, 2, 3]), 1 + 2 * x + 3 * x**2)

# %% [markdown]
# ## The loss as a landscape
#
# Two parameters, so the loss is a height over a plane. By hand: evaluate it on a grid of 50 by 50 points, one
# unit around the least-squares answer, and look for the lowest.

# %% tags=["formula"]
side = np.linspace(-1, 1, 50)
a, b = np.meshgrid(by_formula[0] + side, by_formula[1] + side)
left = y - a[..., None] - b[..., None] * x
height = {"mse": (left**2).mean(-1), "l1": abs(left).mean(-1)}
bottom = {name: np.unravel_index(z.argmin(), z.shape) for name, z in height.items()}

# %%
for name, (i, j) in bottom.items():
    print(f"{name:4s} lowest grid point: intercept {a[i, j]:.2f}, slope {b[i, j]:.2f}")

cells = 2 / 49
for name, fit in (("mse", line), ("l1", absolute_line)):
    value, _ = fit.objective([a[3, 7], b[3, 7]])
    assert np.isclose(value, height[name][3, 7])
assert height["l1"].shape == (50, 50) and (side[0], side[-1]) == (-1, 1)
assert np.allclose([a[bottom["mse"]], b[bottom["mse"]]], by_formula, atol=cells)
assert np.allclose([a[bottom["l1"]], b[bottom["l1"]]], absolute_line.exact.theta, atol=2 * cells)
assert abs(b[bottom["l1"]] - by_formula[1]) > 20 * cells

# %% [markdown]
# The lowest point of `mse` is where the formula says. The lowest point of `l1` is somewhere else. In one call,
# with both answers marked on the `l1` landscape:

# %%
line.surface(window=1.0)

# %%
absolute_line.surface(also=[line], window=1.0)

# %% [markdown]
# ### A descent on a landscape with a crease
#
# The gradient of `l1` does not shrink near the bottom: there are creases, and the sign jumps. With a constant
# rate the descent jumps to and fro for ever. So the rate must fall: $\eta_t = \eta / (t + 1)$. By hand, from
# zeros, keeping every $\theta$:


# %% tags=["formula"]
def descend_l1(design, y, lr, steps):
    theta = np.zeros(design.shape[1])
    path = [theta]
    for t in range(steps):
        gradient = -design.T @ np.sign(y - design @ theta) / len(y)
        theta = theta - lr / (t + 1) * gradient
        path.append(theta)
    return np.array(path)


# %%
on_line = descend_l1(np.column_stack([np.ones(100), x]), y, lr=6, steps=50)
on_parabola = descend_l1(np.column_stack([np.ones(100), x, x**2]), y, lr=10, steps=500)
settings = dict(loss="l1", optimizer="sgd", schedule="inverse")
walked = st.fit(x, y, lr=6, epochs=50, **settings)
curve = st.fit(x, y, model="poly:2", lr=10, epochs=500, **settings)
print(f"line {walked.theta.round(3)}, exact {walked.exact.theta.round(3)}, relative gap {walked.relative_gap:.1e}")
print(f"parabola: loss {curve.loss:.3f}, exact {curve.exact.loss:.3f}")

assert np.allclose(walked.trace.theta, on_line, atol=1e-12) and np.allclose(curve.trace.theta, on_parabola, atol=1e-9)
assert np.isclose(curve.loss, np.mean(abs(y - curve.predict(x)))) and walked.exact.loss <= walked.loss
assert f"{curve.loss:.3f} {curve.exact.loss:.3f}" == "0.717 0.716"
assert np.isclose(parabola.loss, curve.exact.loss, rtol=1e-5) and len(on_parabola) == 501

# %% [markdown]
# Start plus one place for each step: 51 places for the line, and 501 for the parabola. The same, number for
# number, as in one call. Its loss is 0.717, and the best possible one is 0.716.

# %%
assert len(on_line) == 51
walked.surface(also=[line], window=((-1, 1), (-0.5, 5)))

# %% [markdown]
# The path starts at the lower middle, overshoots, and settles as the rate falls. The least-squares answer lies
# beside the bottom.
#
# ### The outlier, with and without
#
# How far does the one moved point pull each line?

# %%
pulled = {}
for loss in ("mse", "l1"):
    shift = st.fit(x, y, loss=loss).theta - st.fit(x[1:], y[1:], loss=loss).theta
    pulled[loss] = abs(shift).max()
    print(f"{loss:4s} shift of intercept and slope {shift.round(3)}")

by_numpy = np.polyfit(x, y, 1)[::-1] - np.polyfit(x[1:], y[1:], 1)[::-1]
assert np.isclose(pulled["mse"], abs(by_numpy).max()) and pulled["l1"] < 0.25 * pulled["mse"]
assert np.allclose(shift, st.fit(x, y, loss="l1").exact.theta - st.fit(x[1:], y[1:], loss="l1").exact.theta, atol=0.02)

# %% [markdown]
# Less than a quarter. All fits in one picture, and the residuals of all of them:

# %%
line.plot(also=[absolute_line, parabola])

# %%
parabola.residuals(also=[line, absolute_line])

# %% [markdown]
# The residuals of both lines have a shape, a bow: the model is too simple, whatever the loss. The diagnosis
# says so, too, and names the remedy:

# %%
found = absolute_line.diagnose()
finding = next(one for one in found if one.code == "ST024")
print(finding.what, "Try:", finding.python)

assert finding.remedy == {"model": "poly:2"} and parabola.loss < 0.6 * absolute_line.loss
assert np.isclose(absolute_line.loss, np.mean(abs(y - absolute_line.predict(x))))

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** The derivative of Huber's loss by $r$, as a function of `r` (an array) and `D`.

# %% tags=["exercise"]
huber_slope = ...


def like_autograd(function):
    at = torch.linspace(-3, 3, 60, dtype=torch.float64, requires_grad=True)
    nn.functional.huber_loss(at, torch.zeros_like(at), reduction="sum", delta=1.5).backward()
    return np.allclose(function(at.detach().numpy(), 1.5), at.grad)


check("Exercise 1", huber_slope, like_autograd, "r inside, D with the sign of r outside.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# huber_slope = lambda r, D: np.clip(r, -D, D)
# ```
#
# The pull grows up to D, and no further.
# </details>
#
# **Exercise 2.** Four incomes: 1, 2, 3 and 1000. Which constant has the smallest mean absolute error?

# %% tags=["exercise"]
constant = ...
incomes = np.array([1, 2, 3, 1000])


def is_lowest(it):
    around = np.linspace(0, 1000, 20_001)
    return np.mean(abs(incomes - it)) <= np.mean(abs(incomes[:, None] - around), axis=0).min() + 1e-9


check("Exercise 2", constant, is_lowest, "As many incomes must lie below it as above.")
assert incomes.tolist() == [1, 2, 3, 1000]

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# constant = 2.5
# ```
#
# Any number from 2 to 3 does: at the bottom the landscape of `l1` may be flat.
# </details>
#
# **Exercise 3.** Fit a line under which nine tenths of the men's jumps lie. Which loss?

# %% tags=["exercise"]
loss_name = ...


def nine_of_ten(name):
    if not isinstance(name, str):
        return False
    fit = st.fit(chins, jumps, loss=name)
    return 0.8 <= np.mean(jumps <= fit.predict(chins) + 1e-6) <= 0.95


check("Exercise 3", loss_name, nine_of_ten, "A loss with a number behind its name, as huber:15 has one.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# loss_name = "quantile:0.9"
# ```
#
# </details>
#
# ## Now your own table
#
# Fit it with `mse` and with `l1`. If the coefficients differ much, look at the rows with the largest residuals.

# %%
both = st.sweep("sample:linnerud", target="Jumps", columns=["Chins"], loss=["mse", "l1"])
for number in range(2):
    own = both.fit(number)
    print(own.spec.loss, {name: round(value, 2) for name, value in own.params.items()})
    assert own.relative_gap < 1e-5
    assert np.isclose(own.params["Chins"], slopes[own.spec.loss][0], atol=1e-3)

# %% [markdown]
# In the browser you can drag a point away and watch what each loss makes of it:
#
# ```
# steepest lab sample:quadratic_with_outlier --target y
# ```
