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
# # 2 · Autograd and the normal equations
#
# Gradient descent and the normal equations minimise the same loss. On a raw table they give different answers.
# You find out which of them is wrong, compute *how* wrong in advance, and then meet a table where the other one
# fails.
#
# You need lesson 1, and matrices.
#
# **Install.** `make dist` writes `dist/steepest-0.1.0-py3-none-any.whl`. In JupyterLab and VS Code, run
# `%pip install PATH/TO/steepest-0.1.0-py3-none-any.whl` in a cell. In Colab, upload that file first (the folder
# symbol on the left), then run `%pip install steepest-0.1.0-py3-none-any.whl`. The lesson needs nothing else,
# and no network.

# %%
import time
from fractions import Fraction

import numpy as np
import torch

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
# ## Two methods, two answers
#
# All ten columns of the diabetes table, as they were measured: age in years, blood pressure, blood sugar …
# Descent by hand, with a rate safely below the largest one (lesson 1), 10,000 steps. And the normal equations,
# which set the gradient to zero and solve: $X^\top X \theta = X^\top y$.

# %%
table = st.synthetic.sample("diabetes")
columns = table.column_names[:-1]
y = table["progression"].to_numpy()
X = np.column_stack([np.ones(len(y)), *(table[name].to_numpy() for name in columns)])

assert len(columns) == 10
print(X.shape, columns)
assert X.shape == (442, 11)

# %% tags=["formula"]
curvature = 2 / len(y) * X.T @ X
rate = 0.9 * 2 / np.linalg.eigvalsh(curvature).max()
descended = np.zeros(11)
for _ in range(10_000):
    descended = descended - rate * 2 / len(y) * X.T @ (X @ descended - y)

normal = np.linalg.solve(X.T @ X, X.T @ y)

# %%
print("column       descent   normal equations")
for name, mine, theirs in zip(["1", *columns], descended, normal, strict=True):
    print(f"{name:5s} {mine:14.3f} {theirs:18.3f}")

walked = st.fit(table, target="progression", optimizer="sgd", lr=rate, epochs=10_000, record=2)
assert np.allclose(walked.theta, descended, rtol=1e-9)
assert np.isclose(rate, 0.9 * 2 / (np.linalg.norm(X, 2) ** 2 * 2 / 442))
assert np.allclose(normal, np.linalg.lstsq(X, y, rcond=None)[0])
assert f"{descended[9]:.2f} {normal[9]:.2f}" == "0.12 68.48" and descended[5] > 0 > normal[5]

# %% [markdown]
# For `s5` the descent says 0.12 and the normal equations 68.48. For `s1` not even the sign agrees. **Guess:**
# what is the reason?
#
# - `"a"` the loss has several minima, and each method finds another
# - `"b"` the descent is on its way, and would need far more steps
# - `"c"` the normal equations are wrong: the matrix is nearly singular
# - `"d"` the gradient has a mistake

# %% tags=["exercise"]
guess = ...
check("Guess", guess, lambda it: it == "b", "The next sections tell, one after another.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# guess = "b"
# ```
#
# For this table. There are tables for which `"c"` is right, too: see below.
# </details>
#
# ## Is it the gradient? Autograd in small
#
# Autograd records every operation and walks the record backwards. For a sum of squares of a table of 3 × 2
# numbers, the gradient is twice the table:

# %%
t = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
(t**2).sum().backward()
print(t.grad)

assert t.shape == (3, 2) and torch.equal(t.grad, 2 * t.detach())

# %% [markdown]
# ### Factor by factor
#
# A longer chain, $z = (1 - \ln(1 + e^\theta))^2$ at $\theta = 1$. By hand, each operation contributes a factor:
#
# $$\frac{dz}{d\theta} = 2\,(1 - \ln(1 + e^\theta)) \cdot (-1) \cdot \frac{1}{1 + e^\theta} \cdot e^\theta$$

# %% tags=["formula"]
at = 1.0
square = 2 * (1 - np.log(1 + np.exp(at)))
minus = -1
logarithm = 1 / (1 + np.exp(at))
exponential = np.exp(at)
slope = square * minus * logarithm * exponential

# %%
theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
z = (1 - torch.log(1 + torch.exp(theta))) ** 2
z.backward(retain_graph=True)
print(f"z = {z.item():.4f}   by hand {slope:.13f}   autograd {theta.grad.item():.13f}")

assert f"{z.item():.4f} {slope:.13f}" == "0.0981 0.4580252880326"
assert np.isclose(theta.grad.item(), slope, rtol=1e-14)

# %% [markdown]
# Both give 0.4580252880326. The record itself is a chain of functions, from the last operation back to the
# parameter:

# %%
node, chain = z.grad_fn, []
while node is not None:
    chain.append(type(node).__name__)
    node = next((parent for parent, _ in node.next_functions if parent is not None), None)
print(" ← ".join(chain))

drawing = st.graph(z, {"θ": theta})
assert chain == ["PowBackward0", "RsubBackward1", "LogBackward0", "AddBackward0", "ExpBackward0", "AccumulateGrad"]
assert f"{-2 * (1 - np.log(1 + np.e)):.4f}"[:6] in drawing.dot and f"{z.item():.4f}"[:6] in drawing.dot
drawing

# %% [markdown]
# `st.graph` draws it, with the value of each step in its box and the gradient that flows along each arrow. It
# works for any tensor, and for a fit.
#
# ### And for our loss
#
# The gradient that we typed, $\frac{2}{n} X^\top (X\theta - y)$, against autograd, at the place where the
# descent stopped:

# %% tags=["formula"]
by_hand = 2 / len(y) * X.T @ (X @ descended - y)

# %%
at_end = torch.tensor(descended, requires_grad=True)
((torch.tensor(X) @ at_end - torch.tensor(y)) ** 2).mean().backward()
print(f"gradient of s5: by hand {by_hand[9]:.6f}, autograd {at_end.grad[9]:.6f}")

assert np.allclose(by_hand, at_end.grad, rtol=1e-6, atol=1e-6)

# %% [markdown]
# The gradient is right, so `"d"` is out. It is small and not zero: the descent has not arrived. And `"a"` is
# out, because a mean of squares of a linear function is convex: all its minima have the same loss.
#
# ## How far is it still?
#
# Write the error $\theta_t - \theta^*$ in the eigenvectors $v_i$ of the Hessian $H$. Each step multiplies the
# $i$-th part by $1 - \eta\lambda_i$, so after $t$ steps, from $\theta_0 = 0$:
#
# $$\theta_t = \theta^* + \sum_i (1 - \eta\lambda_i)^t \, (v_i^\top(\theta_0 - \theta^*))\, v_i
# \qquad F(\theta_t) - F^* = \frac12 \sum_i \lambda_i (1 - \eta\lambda_i)^{2t} (v_i^\top(\theta_0 - \theta^*))^2$$
#
# Nothing of this needs the descent. It foretells it.


# %% tags=["formula"]
values, vectors = np.linalg.eigh(curvature)
error = vectors.T @ (np.zeros(11) - normal)


def place_after(steps):
    return normal + vectors @ ((1 - rate * values) ** steps * error)


def gap_after(steps):
    return np.sum(values * (1 - rate * values) ** (2 * steps) * error**2) / 2


# %%
best_loss = np.mean((X @ normal - y) ** 2)
measured = np.mean((X @ descended - y) ** 2) - best_loss
print(f"gap after 10,000 steps: foretold {gap_after(10_000):.4f}, measured {measured:.4f}")
print(f"condition number {values.max() / values.min():.3g}")

assert np.allclose(place_after(10_000), descended, atol=1e-6)
assert np.isclose(gap_after(10_000), measured, rtol=1e-6) and np.isclose(gap_after(10_000), walked.gap, rtol=1e-6)
assert np.isclose(values.max() / values.min(), np.linalg.cond(X) ** 2, rtol=1e-6)
assert f"{measured:.1f} {best_loss:.1f} {values.max() / values.min():.2g}" == "304.5 2859.7 5.2e+07"

# %% [markdown]
# The gap is 304.5, above a best loss of 2859.7. Here is the reason: the **condition number**
# $\lambda_{\max} / \lambda_{\min}$ is 5.2e+07. The largest eigenvalue limits the rate, the smallest decides how
# long it takes. How many steps for a millionth of the best loss?

# %% tags=["formula"]
low, high = 0, 10**12
while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if gap_after(middle) > 1e-6 * best_loss else (low, middle)

# %%
print(f"{high:,} steps")

known = walked.curvature().own
assert gap_after(high) <= 1e-6 * best_loss < gap_after(high - 1)
assert np.isclose(known.steps, high, rtol=0.05) and f"{high:.1e}" == "1.6e+08"

# %% [markdown]
# 1.6e+08 steps. The answer was `"b"`. `walked.curvature()` counts the same, and `walked.diagnose()` names the
# cause and the cure:

# %%
finding = walked.diagnose()[0]
print(finding.what, finding.evidence, sep="\n")
print("Try:", finding.python)

cured = st.fit(table, target="progression", optimizer="sgd", epochs=10_000, **finding.remedy)
scaled = (X[:, 1:] - X[:, 1:].mean(0)) / X[:, 1:].std(0)
print(f"condition number of standardised columns {np.linalg.cond(scaled) ** 2:.0f}, gap {cured.relative_gap:.0e}")
assert finding.code == "ST004" and np.allclose(cured.theta, normal, rtol=1e-5) and cured.relative_gap < 1e-10
assert f"{np.linalg.cond(scaled) ** 2:.0f}" == "470" and "470" in finding.evidence

# %% [markdown]
# Standardising brings it from 5.2e+07 down to 470. What remains is correlation between the columns. An
# orthonormal basis of the columns, as a QR decomposition gives it, removes that too. All eigenvalues are then
# equal, and one step arrives:

# %% tags=["formula"]
Q, R = np.linalg.qr(X)
in_basis = np.zeros(11)
step_to = in_basis - len(y) / 2 * (2 / len(y) * Q.T @ (Q @ in_basis - y))
one_step = np.linalg.solve(R, step_to)

# %%
one = st.fit(
    table, target="progression", optimizer="sgd", lr=0.5, precondition="orthonormal", init="zeros", max_steps=1
)
print(
    f"s5 after one step: by hand {one_step[9]:.5f}, in one call {one.params['s5']:.5f}, exact {one.exact.theta[9]:.5f}"
)

assert np.allclose(one_step, normal) and np.allclose(one.theta, normal) and np.allclose(one.exact.theta, normal)
assert one.steps == 1

# %% [markdown]
# ## Where the normal equations fail
#
# So are the normal equations the better method? Take bmi alone, and its powers up to the 8th: a curve in place
# of a line. The exact answer is known, since bmi has one decimal and fractions have no rounding. Gauss's
# elimination in fractions is slow, and right to the last digit.


# %% tags=["formula"]
def exactly(x, y, degree):
    """The coefficients of the best polynomial, by elimination in fractions."""
    rows = [[Fraction(round(10 * value), 10) ** k for k in range(degree + 1)] for value in x]
    A = [[sum(r[i] * r[j] for r in rows) for j in range(degree + 1)] for i in range(degree + 1)]
    A = [[*line, sum(r[i] * int(t) for r, t in zip(rows, y, strict=True))] for i, line in enumerate(A)]
    for i in range(degree + 1):
        A[i] = [value / A[i][i] for value in A[i]]
        for k in range(degree + 1):
            if k != i:
                A[k] = [a - A[k][i] * b for a, b in zip(A[k], A[i], strict=True)]
    return np.array([float(line[-1]) for line in A])


# %%
bmi = table["bmi"].to_numpy()
line = exactly(bmi, y, 1)
print(line)

assert np.allclose(line, np.polyfit(bmi, y, 1)[::-1], rtol=1e-11)
assert np.allclose(line, st.fit(bmi, y).theta, rtol=1e-12)


# %% tags=["formula"]
def correct_digits(found, exact):
    return max(0.0, -np.log10(np.max(np.abs(found / exact - 1)) + 1e-16))


def four_ways(degree):
    P, exact = np.vander(bmi, degree + 1, increasing=True), exactly(bmi, y, degree)
    Q, R = np.linalg.qr(P)
    ways = {"normal": np.linalg.solve(P.T @ P, P.T @ y), "QR": np.linalg.solve(R, Q.T @ y)}
    ways["st.fit"] = st.fit(bmi, y, model=f"poly:{degree}").theta
    return np.linalg.cond(P), {name: correct_digits(found, exact) for name, found in ways.items()}


# %%
digits = {degree: four_ways(degree) for degree in (2, 4, 6, 8)}
for degree, (condition, ways) in digits.items():
    print(f"degree {degree}   cond(P) {condition:.0e}   correct digits", {name: f"{ways[name]:.1f}" for name in ways})

assert np.isclose(correct_digits(np.array([1.001]), np.ones(1)), 3) and correct_digits(np.array([9.0]), 1.0) == 0
assert digits[8][1]["normal"] == 0 and digits[6][1]["normal"] < 6 < 9 < digits[6][1]["QR"]
assert digits[8][1]["QR"] > 6 and min(ways["st.fit"] for _, ways in digits.values()) > 13
for condition, ways in digits.values():
    assert 16 - 2 * np.log10(condition) - 1 < ways["normal"] and 16 - np.log10(condition) - 1 < ways["QR"]

# %% [markdown]
# At degree 8 the normal equations have no digit right. Float64 has about 16 digits. A solver loses as many of
# them as the condition number has, and $X^\top X$ has the *square* of the condition number of $X$. QR works on
# $X$ itself and keeps more than 6. Steepest takes powers of the centred column and sums the residuals in twice
# the precision: more than 13.
#
# So both disagreements have one name. **Conditioning** costs the descent steps, and the normal equations
# digits.
#
# ## Stopped is not arrived
#
# The descent can also stop too early, without anybody noticing. 10,000 made points near a line, a quarter of
# them held out, a random start, and "stop when the loss no longer changes at all":

# %%
data = st.synthetic.noisy_line(seed=4)
settings = dict(init="uniform:-14:14", lr=0.1, epochs=1000, tol=0, test_fraction=0.25)
single = st.fit(data.x, data.y, dtype="float32", **settings)
double = st.fit(data.x, data.y, **settings)
for name, fit in (("float32", single), ("float64", double)):
    print(f"{name}: {fit.steps} steps, {fit.status.name}, slope {fit.theta[1]:.8f}, test mse {fit.test_loss:.4f}")
print(single.message)
rows = np.column_stack([np.ones(double.rows), double.train.x])
by_formula = np.linalg.solve(rows.T @ rows, rows.T @ double.train.y)
assert np.allclose(double.theta, by_formula, atol=1e-6) and 1e-4 < abs(single.theta - by_formula).max() < 5e-4
assert abs(single.steps - 100) < 10  # rounding differs between processors
assert (double.steps, double.rows, double.test_rows) == (208, 7500, 2500)
assert single.status is st.Status.STALLED and double.status is st.Status.CONVERGED

# %% [markdown]
# Float32 stops after about 100 steps and float64 after 208. In float32 the loss cannot change any more, and 0.0003 of
# the slope is still missing. Many programs would call that "converged". The status here is `STALLED`, and the
# message says what is left.
#
# Three digits agree with the normal equations in either case. The test error is near 1/9, the variance of the
# noise: with 2,500 rows, chance alone moves it by 3%.

# %%
share = np.sqrt(2 / 2500)
print(f"noise floor {1 / 9:.4f}, one standard deviation of the test mse {share:.1%}")

residual = double.test.y - double.predict(double.test.x)
assert np.isclose(double.test_loss, np.mean(residual**2)) and abs(double.test_loss / (1 / 9) - 1) < 2 * share
assert f"{share:.0%}" == "3%" and f"{abs(single.theta - by_formula).max():.1g}" == "0.0003"
assert np.allclose(single.theta, by_formula, atol=5e-4)

# %% [markdown]
# ### Every fifth step
#
# The lines on the way, over a faint scatter of the data, and what each five steps improved:

# %%
losses, path = double.trace.objective, double.trace.theta
for step in range(5, 30, 5):
    print(f"step {step:3d}   loss {losses[step]:10.5f}   better by {losses[step - 5] - losses[step]:.5f}")

at_five = np.mean((rows @ path[5] - double.train.y) ** 2)
assert np.isclose(losses[5], at_five) and np.all(np.diff(losses[:30]) < 0)
shown = st.plot(data.x[:, 0], data.y)
shown.update_traces(marker_opacity=0.05)
ends = np.array([-1.15, 1.15])
for step in range(0, 30, 5):
    shown.line(ends, path[step, 0] + path[step, 1] * ends, "#D55E00", width=1, name=f"step {step}")
shown

# %% [markdown]
# ## When a formula does it
#
# PyTorch is more than such a problem needs. How long did each take?

# %%
began = time.perf_counter()
np.linalg.lstsq(X, y, rcond=None)
formula_time = time.perf_counter() - began
inputs, targets, theta = torch.tensor(X), torch.tensor(y), torch.zeros(11, dtype=torch.float64, requires_grad=True)
began = time.perf_counter()
for _ in range(1000):
    ((inputs @ theta - targets) ** 2).mean().backward()
    with torch.no_grad():
        theta -= rate * theta.grad
    theta.grad.zero_()
loop_time = time.perf_counter() - began
print(f"formula {1000 * formula_time:.2f} ms, 1,000 steps of PyTorch {1000 * loop_time:.0f} ms")
assert np.allclose(theta.detach(), place_after(1000), atol=1e-6) and loop_time > formula_time

# %% [markdown]
# A formula is exact and fast, where there is one: least squares with a few thousand columns at most. Descent is
# for everything else, and it is worth learning where the answer is known. That is why Steepest puts the exact
# answer beside every fit that has one.
#
# ## Exercises
#
# **Exercise 1.** What is the derivative of $z = \sin(\theta^2)$ at $\theta = 2$? Type the number or an
# expression.

# %% tags=["exercise"]
derivative = ...
u = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
torch.sin(u**2).backward()
check(
    "Exercise 1", derivative, lambda it: abs(it - u.grad.item()) < 1e-3, "The outer derivative times the inner one, 2θ."
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# derivative = np.cos(2**2) * 2 * 2
# ```
#
# </details>
#
# **Exercise 2.** By what factor does the slowest part of the error shrink in one step at the rate above, on the
# raw table?

# %% tags=["exercise"]
slowest = ...


def shrinks(it):
    before, after = ((place_after(10**6 + more) - normal) @ vectors[:, 0] for more in (0, 1))
    return abs(after / before - it) < 1e-9


check("Exercise 2", slowest, shrinks, "1 − ηλ, with the smallest eigenvalue.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# slowest = 1 - rate * values.min()
# ```
#
# So near 1 that a thousand steps hardly show.
# </details>
#
# **Exercise 3.** Find coordinates in which plain descent on the raw table needs at most a hundred steps to a
# relative gap of a millionth. Set `precondition` and `lr`.

# %% tags=["exercise"]
mine = ...  # a dict, as dict(precondition="none", lr=0.1)


def arrives(settings):
    if not isinstance(settings, dict):
        return False
    return st.fit(table, target="progression", optimizer="sgd", epochs=100, **settings).relative_gap < 1e-6


check("Exercise 3", mine, arrives, "Standardised columns are not enough: their condition number is still 470.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# mine = dict(precondition="orthonormal", lr=0.5)
# ```
#
# Half is the best rate there: all eigenvalues are 2.
# </details>
#
# ## Now your own table
#
# How badly conditioned are your columns, and what would help? Ask before any fit; put your file in the place of
# the sample:

# %%
ahead = st.diagnose("sample:diabetes", target="progression")
print(ahead)

assert np.isclose(ahead.prospects[0].largest, 2 / values.max())
own = st.fit("sample:diabetes", target="progression")
assert own.relative_gap < 1e-10 and np.allclose(own.theta, normal)

# %% [markdown]
# In the browser, change the coordinates while the descent is running, and watch the valley become round:
#
# ```
# steepest lab sample:diabetes --target progression
# ```
