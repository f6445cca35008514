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
# # 1 · Gradient descent from scratch
#
# You fit a line to a real table with ten lines of PyTorch. It fails. You find out why, mend it by hand, and
# then see what one call of Steepest adds to each of those lines.
#
# You need some Python, and to know what the slope of a line is.
#
# **Install.** `make dist` writes `dist/steepest-0.1.0-py3-none-any.whl`. In JupyterLab and VS Code, run
# `%pip install PATH/TO/steepest-0.1.0-py3-none-any.whl` in a cell. In Colab, upload that file first (the folder
# symbol on the left), then run `%pip install steepest-0.1.0-py3-none-any.whl`. The lesson needs nothing else,
# and no network.

# %%
import tempfile
from pathlib import Path

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
# Every number that this lesson prints is compared with one from elsewhere, by an `assert`: a formula, NumPy,
# SciPy. If one were wrong, the cell would stop. Read the asserts as part of the lesson: they say *how one
# knows*.
#
# ## A real table, and a failure
#
# 442 people with diabetes: how far did the disease progress within a year, and what was their body mass index
# (bmi) before?

# %%
table = st.synthetic.sample("diabetes")
bmi = table["bmi"].to_numpy()
progression = table["progression"].to_numpy()

assert len(bmi) == 442 and (bmi.min(), bmi.max()) == (18.0, 42.2)
st.plot(table.select(["bmi", "progression"]), target="progression")

# %% [markdown]
# The model is a line, $\hat y = a_0 + a_1 x$. The loss is the mean squared error,
# $\frac1n \sum (y - \hat y)^2$. Each step moves $a$ a little against the gradient of the loss. The learning
# rate, 0.1, is the one that many courses use.


# %% tags=["formula"]
def descend(x, y, lr, steps, start=(0.0, 0.0)):
    """Every loss on the way, and where it ended: the loop that this course is about."""
    a, losses = torch.tensor(start, dtype=x.dtype, requires_grad=True), []
    for _ in range(steps):
        loss = ((a[0] + a[1] * x - y) ** 2).mean()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            a -= lr * a.grad
        a.grad.zero_()
    return losses, a.detach().numpy()


# %%
x, y = torch.tensor(bmi, dtype=torch.float32), torch.tensor(progression, dtype=torch.float32)
losses, a = descend(x, y, lr=0.1, steps=100)
for step in (0, 1, 2, 3, 20, 99):
    print(f"step {step:3d}   loss {losses[step]:.4g}")

assert np.isclose(losses[0], np.mean(progression**2), rtol=1e-6)
assert all(np.isnan(losses[20:])) and all(np.isnan(a))

# %% [markdown]
# The loss grows, and then it is `nan`: not a number. **Guess before you read on:** what is wrong?
#
# - `"a"` the gradient has a mistake
# - `"b"` the learning rate is too large for this table
# - `"c"` 442 rows are too few for a line
# - `"d"` float32 has too few digits

# %% tags=["exercise"]
guess = ...
check("Guess", guess, lambda it: it == "b", "Read on: the numbers will tell.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# guess = "b"
# ```
#
# The rest of the lesson shows why: the gradient is right, float64 fails in the same way, and the same rows are
# fitted well by the same loop once the rate suits them.
# </details>
#
# ## The same loop, where it works
#
# Made data have one advantage: the truth is known. A hundred points, $x$ uniform on $[-1, 1)$, the line
# $2 + 3x$, and noise that is uniform on $[0, 1)$. That noise has the mean ½, so the best intercept is near 2.5,
# and the variance 1/12 ≈ 0.0833: no line can bring the loss far below that.


# %%
def draw(generator):
    x = generator.uniform(-1, 1, 100)
    return x, 2 + 3 * x + generator.uniform(0, 1, 100)


made = draw(np.random.default_rng(1))
x1, y1 = (torch.tensor(column) for column in made)
losses, a = descend(x1, y1, lr=0.1, steps=101, start=(1.0, -1.0))
for step in range(0, 101, 10):
    print(f"step {step:3d}   loss {losses[step]:.4f}")

noise = np.random.default_rng(0).uniform(0, 1, 1_000_000)
assert abs(noise.mean() - 2.5 + 2) < 0.001 and abs(noise.var() - 1 / 12) < 0.001 and f"{1 / 12:.4f}" == "0.0833"
assert 0.05 < losses[100] < 0.12 and 4 < losses[0] < 9

# %% [markdown]
# It falls from 7.96 to 0.0732, near the noise floor. NumPy finds the best line in another way
# (`numpy.linalg.lstsq`, lesson 2). After 100 updates the descent has its intercept to three decimals and its
# slope to two.

# %%
design = np.column_stack([np.ones(100), made[0]])
best = np.linalg.lstsq(design, made[1], rcond=None)[0]
print(f"descent        intercept {a[0]:.4f}   slope {a[1]:.4f}")
print(f"numpy's lstsq  intercept {best[0]:.4f}   slope {best[1]:.4f}")

floor = np.mean((design @ best - made[1]) ** 2)
assert f"{losses[0]:.2f}" == "7.96" and f"{losses[100]:.4f}" == "0.0732" and floor < losses[100] < 1.001 * floor
assert abs(a[0] - best[0]) < 0.001 and abs(a[1] - best[1]) < 0.01 and len(losses) - 1 == 100

# %% [markdown]
# ### Drawn again
#
# Without a seed, other points come each time, and with them other answers. Three draws:

# %%
for seed in (1, 2, 3):
    again = draw(np.random.default_rng(seed))
    found = descend(*(torch.tensor(column) for column in again), lr=0.1, steps=300)[1]
    slope, intercept = np.polyfit(*again, 1)
    print(f"seed {seed}   intercept {found[0]:.4f}   slope {found[1]:.4f}")
    assert np.allclose(found, (intercept, slope), rtol=1e-5)

# %% [markdown]
# A number without its seed cannot be checked. Steepest has a seed from the start (`seed=0`): the same call
# gives the same numbers.
#
# ## Is the gradient right?
#
# By hand, with the residuals $r_i = a_0 + a_1 x_i - y_i$:
#
# $$\frac{\partial L}{\partial a_0} = \frac{2}{n} \sum r_i \qquad \frac{\partial L}{\partial a_1} = \frac{2}{n} \sum r_i x_i$$
#
# With a column of ones in $X$ the two are one product, $\frac{2}{n} X^\top (Xa - y)$. The column of ones makes
# its coefficient the intercept.


# %% tags=["formula"]
def gradient_by_hand(a, x, y):
    residual = a[0] + a[1] * x - y
    return np.array([2 * residual.mean(), 2 * (residual * x).mean()])


def gradient_by_matrix(a, x, y):
    X = np.column_stack([np.ones(len(x)), x])
    return 2 / len(x) * X.T @ (X @ a - y)


# %%
start = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
((start[0] + start[1] * x1 - y1) ** 2).mean().backward()
print("autograd", start.grad.numpy(), "  by hand", gradient_by_hand(np.array([0.5, 2.0]), *made))

assert np.allclose(gradient_by_hand(np.array([0.5, 2.0]), *made), start.grad, rtol=1e-12)
assert np.allclose(gradient_by_matrix(np.array([0.5, 2.0]), *made), start.grad, rtol=1e-12)

# %% [markdown]
# They agree to the last digits. So `"a"` is out: the gradient is right.
#
# ## Four mistakes that everybody makes once
#
# ### Gradients add up
#
# `backward()` *adds* to `.grad`. Without `a.grad.zero_()`, each step would move by the sum of all gradients so
# far.

# %% tags=["formula"]
w = torch.tensor(3.0, requires_grad=True)
sums = []
for _ in range(3):
    (w**2).backward()
    sums.append(w.grad.item())
print(sums)

assert w == 3 and sums == [6, 12, 18]  # the derivative of w² is 2w

# %% [markdown]
# The gradient of $w^2$ at 3 is 6, each time. What stands in `w.grad` is 6, then 12, then 18.
#
# ### The update must not be tracked
#
# Outside of `torch.no_grad()` PyTorch would have to record its own update, and it refuses.

# %%
try:
    w -= 0.1 * w.grad
except RuntimeError as error:
    refused = str(error)
    print(refused)

assert "a leaf Variable that requires grad is being used in an in-place operation" in refused

# %% [markdown]
# ### Shapes that do not fit, and shapes that fit too well
#
# A product of wrong shapes stops with an error: read the two shapes in it, and transpose, reshape or cut one of
# them. The dangerous case is the one that does *not* stop. A column `[n, 1]` minus a row `[n]` is a whole table
# `[n, n]`, and its mean is a number like any other.

# %%
try:
    torch.ones(100, 2) @ torch.ones(100)
except RuntimeError as error:
    print(error)

perfect = y1  # a prediction without any error
silent = y1[:, None] - perfect
print(f"shape {tuple(silent.shape)}, loss {(silent**2).mean():.3f}")

assert silent.shape == (100, 100) and f"{(silent**2).mean():.3f}" == "6.115"
assert np.isclose((silent**2).mean(), 2 * np.var(made[1]))

# %% [markdown]
# The loss of a perfect prediction is 0. Here it is 6.115, twice the variance of the target, and no descent can
# lower it. Steepest guesses nothing. It names both shapes, and the remedy:

# %%
told = []
for target in (made[1][:, None], made[1][:99]):
    try:
        st.fit(made[0], target)
    except st.SteepestError as error:
        told.append(str(error))
        print(error)

assert "100 × 1" in told[0] and "y.ravel() or y[:, 0]" in told[0]
assert "x is 100" in told[1] and "y has 99 values" in told[1]

# %% [markdown]
# ### Plotting a tensor that requires a gradient
#
# NumPy, and with it every plotting library, refuses a tensor that is being recorded. The cure is `.detach()`. A
# fit of Steepest holds NumPy arrays, so its pictures never meet this.

# %%
try:
    w.numpy()
except RuntimeError as error:
    hint = str(error)
    print(hint)

assert "Use tensor.detach().numpy() instead" in hint and isinstance(st.fit(*made).theta, np.ndarray)

# %% [markdown]
# ## Why the real table failed
#
# The loss of a line is a bowl. How steep it is in each direction is told by the eigenvalues $\lambda$ of its
# matrix of second derivatives, the Hessian $H = \frac{2}{n} X^\top X$. A step with the learning rate $\eta$
# multiplies the error along an eigenvector by $1 - \eta\lambda$. All errors shrink if this is between −1 and 1
# for the largest $\lambda$:
#
# $$\eta < \frac{2}{\lambda_{\max}}$$


# %% tags=["formula"]
def hessian(x):
    X = np.column_stack([np.ones(len(x)), x])
    return 2 / len(x) * X.T @ X


def largest_rate(x):
    return 2 / np.linalg.eigvalsh(hessian(x)).max()


def factor(x, lr):
    return 1 - lr * np.linalg.eigvalsh(hessian(x)).max()


# %%
print(f"largest rate    made data {largest_rate(made[0]):.3f}    bmi {largest_rate(bmi):.5f}")
print(f"with the rate 0.1 each step multiplies the error of bmi by {factor(bmi, 0.1):.1f}")

second = torch.autograd.functional.hessian(lambda a: ((a[0] + a[1] * x1 - y1) ** 2).mean(), start)
assert np.allclose(second, hessian(made[0]), rtol=1e-12)
assert np.isclose(largest_rate(made[0]), 2 / torch.linalg.eigvalsh(second).max())
double, _ = descend(torch.tensor(bmi), torch.tensor(progression), lr=0.1, steps=8)
assert np.isclose(np.sqrt(double[7] / double[6]), -factor(bmi, 0.1), rtol=1e-6)
assert np.isnan(descend(torch.tensor(bmi), torch.tensor(progression), lr=0.1, steps=200)[0][-1])
assert f"{largest_rate(made[0]):.3f} {largest_rate(bmi):.4f}" == "0.999 0.0014"
assert f"{factor(bmi, 0.1):.1f} {0.1 / largest_rate(bmi):.0f}" == "-142.2 72"

# %% [markdown]
# For the made data the largest rate is 0.999, so 0.1 is safe. For bmi it is 0.0014: 0.1 is 72 times too large,
# and each step multiplies the error by -142.2. The answer was `"b"`. Float64 has more room, and overflows all
# the same, a little later.
#
# ### Below the limit: no `nan`, and still not there
#
# Take nine tenths of the largest rate, and a hundred times as many steps.

# %%
x64, y64 = torch.tensor(bmi), torch.tensor(progression)
slow, a = descend(x64, y64, lr=0.9 * largest_rate(bmi), steps=10_000)
slope, intercept = np.polyfit(bmi, progression, 1)
print(f"descent     intercept {a[0]:9.3f}   slope {a[1]:.3f}   loss {slow[-1]:.1f}")
print(f"best line   intercept {intercept:9.3f}   slope {slope:.3f}   loss {st.fit(bmi, progression).loss:.1f}")

best_loss = np.mean((intercept + slope * bmi - progression) ** 2)
assert np.isclose(st.fit(bmi, progression).loss, best_loss, rtol=1e-12) and len(slow) == 10_000
assert f"{intercept:.1f} {slope:.2f} {a[0]:.1f} {a[1]:.2f}" == "-117.8 10.23 -58.2 8.04"

# %% [markdown]
# After 10,000 steps the line is -58.2 + 8.04·bmi, and the best one is -117.8 + 10.23·bmi. The bowl is a long,
# narrow valley: the steep wall forbids a larger rate, and along the floor a step hardly moves. Lesson 2 makes a
# number of that.
#
# ### The cure: other units
#
# Subtract the mean of bmi and divide by its standard deviation. In these units the bowl is round, and 0.1 is a
# good rate again. Afterwards, go back to the units of the table.

# %% tags=["formula"]
z = (bmi - bmi.mean()) / bmi.std()
_, b = descend(torch.tensor(z), y64, lr=0.1, steps=200)
slope_again = b[1] / bmi.std()
intercept_again = b[0] - slope_again * bmi.mean()
print(f"intercept {intercept_again:.3f}   slope {slope_again:.5f}")

assert np.allclose((intercept_again, slope_again), (intercept, slope), rtol=1e-12)
assert np.allclose(hessian(z), 2 * np.eye(2), atol=1e-12)

# %% [markdown]
# ## The same in one call
#
# `st.fit` takes the raw table. It chooses units, rate and number of steps by itself, and gives the answer in
# your units, beside the exact one.

# %%
fit = st.fit(table, target="progression", columns=["bmi"])
print(fit)

assert np.allclose(fit.theta, (intercept, slope), rtol=1e-12) and fit.relative_gap < 1e-12

# %% [markdown]
# Ask it for the failure, and it says the reason:

# %%
failed = st.fit(table, target="progression", columns=["bmi"], optimizer="sgd", lr=0.1, epochs=100)
finding = failed.diagnose()[0]
print(failed.status.name, "|", finding.code, "|", finding.what)
print(finding.evidence)
print("Try:", finding.python)

assert failed.status is st.Status.DIVERGED and finding.remedy == {"precondition": "standardize", "lr": "auto"}
cured = st.fit(table, target="progression", columns=["bmi"], optimizer="sgd", epochs=100, **finding.remedy)
assert np.allclose(cured.theta, (intercept, slope))
evidence = (bmi.mean(), bmi.std(), np.linalg.cond(hessian(bmi)))
assert "{:.1f}|{:.2f}|{:,.0f}".format(*evidence[:2], round(evidence[2], -2)) == "26.4|4.41|26,300"
assert all(number in finding.evidence for number in ("26.4", "4.41", "26,300"))

# %% [markdown]
# ## What the library adds, line by line
#
# It is the same loop. With the same rate and the same start, it takes the same steps, all hundred of them:

# %%
plain = st.fit(made[0], made[1], optimizer="sgd", lr=0.1, init={"intercept": 1.0, "x": -1.0}, epochs=100)
by_hand, _ = descend(x1, y1, lr=0.1, steps=101, start=(1.0, -1.0))

assert np.allclose(plain.trace.objective, by_hand, rtol=1e-12)
print(f"{len(plain.trace.objective)} losses, the largest difference {abs(plain.trace.objective - by_hand).max():.0e}")

# %% [markdown]
# | line of the loop | what `st.fit` adds |
# | --- | --- |
# | `a = torch.tensor(start, …)` | the start is a setting, `init=`; float64 unless you ask for `float32` |
# | `loss = (…).mean()` | any loss and model by name, or your own; shapes are checked |
# | `losses.append(…)` | the trace: loss, parameters, rate and gradient of every step |
# | `loss.backward()` | the same autograd, or the formula where there is one |
# | `a -= lr * a.grad` | any rule and schedule; units in which the rate suits every column |
# | `a.grad.zero_()` | nothing to forget |
# | `for _ in range(steps)` | stops when it is done, says how it ended, and how far the exact answer is |
#
# And the loop itself is at hand, for when you want to look at each step yourself:

# %%
objective = st.objective("linear", "mse", made[0], made[1])
for step in st.descend(objective, "sgd", lr=0.1):
    if step.t % 10 == 0:
        print(f"step {step.t:3d}   loss {float(step.loss):.4f}")
    if step.t == 100:
        break

assert np.isclose(float(step.loss), descend(x1, y1, lr=0.1, steps=101)[0][100], rtol=1e-12)

# %% [markdown]
# ## Look at it
#
# Before the fit, after it, and the way between. The film replays the trace: nothing is trained again.

# %%
plain.plot(step=0)

# %%
plain.plot()

# %%
film = plain.animate(frames=100, milliseconds=20)
assert len(film) == 100
film

# %% [markdown]
# `plain.animate("line.gif")` keeps it as a moving picture, `"line.html"` as a page with a player, and
# `"line.mp4"` as a video, which needs `pip install "steepest[video]"`:

# %%
try:
    from IPython.display import Video

    place = Path(tempfile.mkdtemp(), "line.mp4")
    film.save(place)
    video = Video(place, embed=True, html_attributes="controls loop width=640")
except (ImportError, st.SpecError) as error:
    video = error
video

# %% [markdown]
# ## Batches
#
# A gradient needs all rows in memory, and looks at all of them before it moves. A *minibatch* is a few rows
# drawn at random for each step: a cheap, noisy gradient. This is the batch version of the loop by hand; the row
# numbers of each step are independent draws.

# %%
generator, a = np.random.default_rng(0), torch.zeros(2, dtype=torch.float64, requires_grad=True)
for step in range(1000):
    rows = generator.integers(0, 100, size=10)
    loss = ((a[0] + a[1] * x1[rows] - y1[rows]) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        a -= 0.1 * a.grad
    a.grad.zero_()
by_draws = a.detach().numpy()
library = st.fit(*made, optimizer="sgd", lr=0.1, batch_size=10, shuffle="draws", max_steps=1000)
print(by_draws, library.theta, best)
assert np.allclose(by_draws, best, atol=0.15) and np.allclose(library.theta, best, atol=0.15)

# %% [markdown]
# Near, and never quite there: each batch pulls towards its own best line. Lesson 4 says what to do about it.
#
# ## The words
#
# - A **tensor** is a table of numbers with any number of axes; their number is its **rank**. A number has rank
#   0, a column rank 1, a table rank 2.
# - The **architecture** or **model** is the formula with its **parameters** open; descent finds them.
# - The prediction of a linear model is a **dot product** of a row and the parameters.
# - The **loss** is one number that says how wrong the predictions are. The **learning rate** scales each step.
# - **Full batch**: all rows at each step. **Minibatch**: some. With minibatches the method is called
#   **stochastic gradient descent**, SGD.
# - An **epoch** is one pass over all rows. Very many of them can be too many: lesson 5 shows **overfitting**.

# %%
number, column, whole = torch.tensor(3.0), torch.ones(2), torch.ones(100, 2)
print([tensor.ndim for tensor in (number, column, whole)])

assert [np.ndim(tensor.numpy()) for tensor in (number, column, whole)] == [0, 1, 2]
assert np.isclose(design[0] @ best, best[0] * 1 + best[1] * made[0][0])
assert np.allclose(plain.predict(made[0]), design @ plain.theta)

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** Blood pressure (`bp`) in the place of bmi: what is the largest rate at which the loss of a
# line still falls? Three digits are enough.

# %% tags=["exercise"]
bp = table["bp"].to_numpy()
bp_rate = ...


def at_the_edge(rate):
    below, above = (descend(torch.tensor(bp), y64, lr=rate * k, steps=200)[0] for k in (0.99, 1.01))
    return below[-1] < below[1] and above[-1] > above[1]


check("Exercise 1", bp_rate, at_the_edge, "2 over the largest eigenvalue of the Hessian, with x = bp.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# bp_rate = largest_rate(bp)
# ```
#
# Just below it the loss falls, just above it grows; the check tries both.
# </details>
#
# **Exercise 2.** Write the gradient of the mean squared error of a line *without* intercept, $\hat y = a x$, at
# a given $a$.

# %% tags=["exercise"]
slope_gradient = ...  # a function of a, x, y


def like_autograd(function):
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    ((a * x1 - y1) ** 2).mean().backward()
    return bool(np.isclose(function(0.7, *made), a.grad))


check("Exercise 2", slope_gradient, like_autograd, "The residual is a·x − y; each row gives 2·residual·x.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# slope_gradient = lambda a, x, y: 2 * np.mean((a * x - y) * x)
# ```
#
# </details>
#
# **Exercise 3.** With a rate of exactly half the largest one, what is left of the error in the steepest
# direction after one step?

# %% tags=["exercise"]
left = ...
check("Exercise 3", left, lambda it: abs(it - factor(bmi, largest_rate(bmi) / 2)) < 1e-9, "Put it into 1 − ηλ.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# left = 0
# ```
#
# Nothing: the step lands on the floor of the valley. Only the other directions remain.
# </details>
#
# ## Now your own table
#
# Put the path of a CSV or Parquet file in the place of `sample:diabetes`, and the column to predict in that of
# `progression`.

# %%
own = st.fit("sample:diabetes", target="progression", test_fraction=0.25)
print(f"R² on rows it has not seen: {own.metrics['test']['r2']:.3f}")

hidden = own.test
r2 = 1 - np.sum((own.predict(hidden.x) - hidden.y) ** 2) / np.sum((hidden.y - hidden.y.mean()) ** 2)
assert np.isclose(own.metrics["test"]["r2"], r2)

# %% [markdown]
# Watch a descent on your table, step by step, in the browser:
#
# ```
# steepest lab sample:diabetes --target progression
# ```
#
# `own.lab()` does the same from a notebook. In the next lesson, two exact methods disagree.
