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
# # 4 · Minibatches, learning rates, optimisers and sweeps
#
# A rate that is safe for all rows together fails for one row at a time. You see why, and what a schedule does
# about it. You write momentum and Adam by hand, ask which optimiser is best, get an answer, and then find out
# that the question was wrong.
#
# You need lessons 1 to 3.
#
# **Install.** `make dist` writes `dist/steepest-0.1.0-py3-none-any.whl`. In JupyterLab and VS Code, run
# `%pip install PATH/TO/steepest-0.1.0-py3-none-any.whl` in a cell. In Colab, upload that file first (the folder
# symbol on the left), then run `%pip install steepest-0.1.0-py3-none-any.whl`. The lesson needs nothing else,
# and no network.

# %%
import numpy as np
import torch
from scipy import stats

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
# ## Safe for all, and not for one
#
# The diabetes table again, bmi as it was measured. The largest rate of lesson 1 is a theorem: below it,
# full-batch descent cannot fail. So take nine tenths of it, and make the steps cheaper: one row at a time.

# %%
table = st.synthetic.sample("diabetes")
bmi, progression = table["bmi"].to_numpy(), table["progression"].to_numpy()

# %%
X = np.column_stack([np.ones(len(bmi)), bmi])
rate = 0.9 * 2 / np.linalg.eigvalsh(2 / len(bmi) * X.T @ X).max()
settings = dict(optimizer="sgd", lr=rate, epochs=200)
whole = st.fit(bmi, progression, **settings)
single = st.fit(bmi, progression, batch_size=1, **settings)
constant = np.mean((progression - progression.mean()) ** 2)
print(f"loss: full batch {whole.loss:,.0f}   one row at a time {single.loss:,.0f}   no model at all {constant:,.0f}")

assert np.isclose(whole.loss, np.mean((X @ whole.theta - progression) ** 2))
assert np.isclose(single.loss, np.mean((X @ single.theta - progression) ** 2)) and np.isclose(
    constant, progression.var()
)
assert (
    f"{whole.loss:,.0f} {constant:,.0f}" == "4,259 5,930" and single.loss > 10 * constant and single.steps == 200 * 442
)

# %% [markdown]
# Predicting the mean for everybody has the loss 5,930, the full batch gets to 4,259. One row at a time ends
# more than 10 times worse than no model at all, after 442 times as many steps. **Guess** the reason:
#
# - `"a"` it needs more steps still
# - `"b"` for some rows the rate is too large
# - `"c"` the rows were drawn in an unlucky order

# %% tags=["exercise"]
guess = ...
check("Guess", guess, lambda it: it == "b", "What is the largest rate if the table has only one row?")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# guess = "b"
# ```
#
# </details>
#
# ### Every row has a valley of its own
#
# The loss of a single row, $(a_0 + a_1 x_i - y_i)^2$, has the Hessian $2 \binom{1}{x_i} (1 \; x_i)$. Its
# largest eigenvalue is $2 (1 + x_i^2)$, so the largest rate of that row is $1 / (1 + x_i^2)$.


# %% tags=["formula"]
def largest_rate_of_row(x):
    return 1 / (1 + x**2)


too_steep = np.mean(rate > largest_rate_of_row(bmi))
# %%
of_rows = [2 / np.linalg.eigvalsh(2 * np.outer(row, row)).max() for row in X]
print(f"the rate is too large for {too_steep:.0%} of the rows")

assert np.allclose(of_rows, largest_rate_of_row(bmi)) and f"{too_steep:.0%}" == "31%"
assert np.isclose(too_steep, np.mean([rate > limit for limit in of_rows]))

# %% [markdown]
# For 31% of the rows each step overshoots, and moves away. The answer was `"b"`. Steepest asks for that in
# advance: `lr="auto"` is safe at any batch size.

# %%
auto = st.fit(bmi, progression, optimizer="sgd", batch_size=1, epochs=20)
print(f"one row at a time, lr='auto': {auto.loss:,.0f}, best possible {auto.exact.loss:,.0f}")

assert np.isclose(auto.exact.loss, np.mean((np.polyval(np.polyfit(bmi, progression, 1), bmi) - progression) ** 2))
assert auto.loss < 1.1 * auto.exact.loss and np.isclose(auto.loss, np.mean((X @ auto.theta - progression) ** 2))

# %% [markdown]
# ## What a batch is
#
# From here on, the parabola with an outlier of lesson 3. An epoch goes through all rows in a new order, and
# cuts it into batches. Five batches of 20:

# %%
data = st.synthetic.quadratic_with_outlier()
x, y = data.x[:, 0], data.y
order = np.random.default_rng(0).permutation(100)
batches = order.reshape(5, 20)
shown = st.plot(x, y)
shown.data = ()
for rows, colour in zip(batches, ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00"), strict=True):
    shown.points(x[rows], y[rows], colour, size=8)
assert batches.shape == (5, 20) and len(x) == 100
assert sorted(batches.ravel().tolist()) == list(range(100))
shown.update_layout(title_text="Five batches of twenty", showlegend=False)

# %% [markdown]
# Each batch sees the same curve with other noise. Its gradient is a guess at the gradient of all rows. The
# guess is fair: over the batches of an epoch it averages to the full gradient.


# %% tags=["formula"]
def gradient(theta, rows):
    design = np.column_stack([x[rows] ** 0, x[rows], x[rows] ** 2])
    return -design.T @ np.sign(y[rows] - design @ theta) / len(rows)


# %%
theta = np.array([0.5, 1.0, -1.0])
guesses = np.array([gradient(theta, rows) for rows in batches])
print("each batch, first parameter:", guesses[:, 0].round(2), " all rows:", gradient(theta, order)[0].round(2))

_, full = st.fit(x, y, model="poly:2", loss="l1").objective(theta)
assert np.allclose(guesses.mean(0), full) and np.allclose(gradient(theta, order), full)

# %% [markdown]
# ### The loop with batches
#
# Absolute errors, batches of 10, 20 epochs, and a rate that falls with the epochs, $1 / (\text{epoch} + 1)$.
# The order of an epoch comes from a generator that is keyed by seed and epoch. So an epoch can be made again
# without those before it, and the loop below takes the very steps of `st.fit`.


# %% tags=["formula"]
def sgd_by_hand(seed, epochs=20, size=10):
    theta, path = np.zeros(3), [np.zeros(3)]
    for epoch in range(epochs):
        order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(100)
        for i in range(0, 100, size):
            theta = theta - 1 / (epoch + 1) * gradient(theta, order[i : i + size])
            path.append(theta)
    return np.array(path)


# %%
problem = dict(model="poly:2", loss="l1", batch_size=10)
sgd = st.fit(x, y, **problem, optimizer="sgd", lr=1, schedule="inverse", epochs=20, seed=3)
by_hand = sgd_by_hand(seed=3)
print(f"by hand {by_hand[-1].round(4)}, in one call {sgd.theta.round(4)}, exact {sgd.exact.theta.round(4)}")

assert np.allclose(by_hand, sgd.trace.theta, atol=1e-12) and len(by_hand) == 201
assert np.isclose(sgd.loss, np.mean(abs(y - sgd.predict(x)))) and sgd.exact.loss < sgd.loss

# %% [markdown]
# The same 201 places. Three parameters make a path in space; the colour is time. It wanders at first, and
# stands nearly still in the end, when the rate has fallen.

# %%
sgd.path3d()

# %% [markdown]
# ## The noise floor, and why rates fall
#
# With a constant rate, minibatches never arrive: they dance around the optimum. How wide? In standardised
# columns, where the Hessian of least squares is $2I$, and for batches of $b$ rows drawn with replacement, the
# gap settles on average at
#
# $$F(\theta) - F^* \approx \frac{\eta}{4 b (1 - \eta)} \cdot \frac1n \sum_i \lVert g_i \rVert^2$$
#
# with $g_i$ the gradient of row $i$ at the optimum.


# %% tags=["formula"]
Z = np.column_stack([np.ones(len(bmi)), (bmi - bmi.mean()) / bmi.std()])
optimum = Z.T @ progression / len(bmi)
row_gradients = 2 * (Z @ optimum - progression)[:, None] * Z


def floor(lr, b):
    return lr / (4 * b * (1 - lr)) * np.mean(np.sum(row_gradients**2, axis=1))


# %%
def measured(lr, b, steps=10_000):
    rng, a, gaps = np.random.default_rng(0), optimum.copy(), []
    for _ in range(steps):
        rows = rng.integers(0, len(bmi), b)
        a = a - lr * 2 / b * Z[rows].T @ (Z[rows] @ a - progression[rows])
        gaps.append(np.sum((a - optimum) ** 2))
    return np.mean(gaps[100:])


for lr, b in ((0.1, 10), (0.05, 10), (0.05, 20)):
    gap = measured(lr, b)
    print(f"rate {lr}, batches of {b}: floor {floor(lr, b):.1f}, measured {gap:.1f}")
    assert abs(gap / floor(lr, b) - 1) < 0.1
assert np.allclose(optimum, np.linalg.lstsq(Z, progression, rcond=None)[0]) and np.allclose(
    Z.T @ Z / len(bmi), np.eye(2)
)

# %% [markdown]
# The formula holds within a tenth. Half the rate, half the floor; twice the batch, half the floor. So: a large
# rate to come near, and then a smaller one. That is a **schedule**. The three usual ones as factors on the
# rate:


# %% tags=["formula"]
def inverse(epoch):
    return 1 / (epoch + 1)


def step(epoch, every=5, factor=0.5):
    return factor ** (epoch // every)


def cosine(t, steps):
    return (1 + np.cos(np.pi * t / steps)) / 2


# %%
rates = {
    name: st.fit(x, y, **problem, optimizer="sgd", lr=1, schedule=name, epochs=20)
    for name in ("inverse", "step:5,0.5", "cosine")
}
t = np.arange(200)
assert np.allclose(rates["inverse"].trace.lr[:200], inverse(t // 10))
assert np.allclose(rates["step:5,0.5"].trace.lr[:200], step(t // 10))
assert np.allclose(rates["cosine"].trace.lr[:200], cosine(t, 200), atol=1e-9)
st.compare(list(rates.values())).loss_curve()

# %% [markdown]
# ## Optimisers by hand
#
# **Momentum** keeps a velocity: old gradients go on pushing. **Adam** divides each parameter's step by the size
# of its recent gradients, so that all parameters move at a similar pace.


# %% tags=["formula"]
def momentum(gradient, theta, lr, steps, mu=0.9):
    velocity = 0
    for _ in range(steps):
        velocity = mu * velocity + gradient(theta)
        theta = theta - lr * velocity
    return theta


def adam(gradient, theta, lr, steps, b1=0.9, b2=0.999):
    m = v = 0
    for t in range(1, steps + 1):
        m = b1 * m + (1 - b1) * gradient(theta)
        v = b2 * v + (1 - b2) * gradient(theta) ** 2
        theta = theta - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
    return theta


# %%
P = np.vander(x, 3, increasing=True)
design, target = torch.tensor(P), torch.tensor(y)


def with_torch(kind, **options):
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = kind([theta], **options)
    for _ in range(50):
        optimizer.zero_grad()
        (target - design @ theta).square().mean().backward()
        optimizer.step()
    return theta.detach().numpy()


# %%
squares = lambda theta: 2 / 100 * P.T @ (P @ theta - y)
by_torch = with_torch(torch.optim.SGD, lr=0.05, momentum=0.9)
assert np.allclose(momentum(squares, np.zeros(3), 0.05, 50), by_torch, rtol=1e-9)
assert np.allclose(adam(squares, np.zeros(3), 0.1, 50), with_torch(torch.optim.Adam, lr=0.1), rtol=1e-6)

# %% [markdown]
# Both agree with `torch.optim`, and with the one call:

# %%
for name, lr, mine in (("momentum:0.9", 0.05, momentum), ("adam", 0.1, adam)):
    fit = st.fit(x, y, model="poly:2", optimizer=name, lr=lr, epochs=50)
    assert np.allclose(fit.theta, mine(squares, np.zeros(3), lr, 50), rtol=1e-9)
    print(f"{name:13s} loss {fit.loss:.4f}, exact {fit.exact.loss:.4f}")
assert np.isclose(fit.exact.loss, np.mean((np.polyval(np.polyfit(x, y, 2), x) - y) ** 2))

# %% [markdown]
# ## Which is better?
#
# Absolute errors, batches of 10. SGD with the falling rate, 20 epochs; Adam with rate 0.1, 100 epochs; and
# plain full-batch descent. One run of each:

# %%
adam_settings = dict(optimizer="adam", lr=0.1, epochs=100)
sgd_settings = dict(optimizer="sgd", lr=1, schedule="inverse", epochs=20)
plain = st.fit(x, y, model="poly:2", loss="l1", optimizer="sgd", lr=10, schedule="inverse", epochs=500)
one = {
    "plain": plain,
    "SGD": st.fit(x, y, **problem, **sgd_settings, seed=33),
    "Adam": st.fit(x, y, **problem, **adam_settings, seed=33),
}
for name, fit in one.items():
    print(f"{name:5s} loss {fit.loss:.3f}   exact {fit.exact.loss:.3f}")
    assert np.isclose(fit.loss, np.mean(abs(y - fit.predict(x)))) and fit.loss >= fit.exact.loss
assert [f"{fit.loss:.3f}" for fit in one.values()] == ["0.717", "0.728", "0.737"]

# %% [markdown]
# Adam is called the better optimiser. Here it ends worst, at 0.737, after SGD at 0.728 and plain descent at
# 0.717. But this is one order of the rows. Fifty seeds of each, in one call:

# %%
seeds = range(50)
sgd_runs = st.sweep(x, y, **problem, **sgd_settings, seed=seeds)
adam_runs = st.sweep(x, y, **problem, **adam_settings, seed=seeds)
sgd_ends, adam_ends = (np.array(runs.table()["loss"]) for runs in (sgd_runs, adam_runs))
wins = np.sum(adam_ends < sgd_ends)
print(f"SGD  {sgd_ends.mean():.4f} ± {sgd_ends.std():.4f}")
print(f"Adam {adam_ends.mean():.4f} ± {adam_ends.std():.4f}, better in {wins} of 50")

assert np.isclose(adam_ends[33], one["Adam"].loss) and np.isclose(sgd_ends[33], one["SGD"].loss)
assert (wins, len(sgd_ends)) == (47, 50) and adam_ends[33] > sgd_ends[33] > plain.loss
theta_3 = sgd_by_hand(seed=3)[-1]
assert np.isclose(sgd_ends[3], np.mean(abs(y - P @ theta_3)))

# %% [markdown]
# In 47 of the 50 pairs Adam ends lower; seed 33 is one of the other three. One run decides nothing. Is the
# difference of the means more than chance? The runs of one seed are a pair:

# %% tags=["formula"]
difference = adam_ends - sgd_ends
t_value = difference.mean() / (difference.std(ddof=1) / np.sqrt(len(difference)))

# %%
test = stats.ttest_rel(adam_ends, sgd_ends)
print(f"t = {t_value:.1f}, p = {test.pvalue:.0e}")

assert np.isclose(t_value, test.statistic) and test.pvalue < 1e-6
st.compare([one["SGD"], one["Adam"]]).loss_curve()

# %% [markdown]
# So Adam is better, beyond doubt? Beyond doubt at *these two rates and schedules*. They were picked, not found.
#
# ### The sweep over rates
#
# Give both the same 20 epochs and the same choice: 13 rates, with and without a cosine schedule, 8 seeds each.

# %%
grid = np.geomspace(0.01, 10, 13)
tuned = st.sweep(
    x, y, **problem, optimizer=["sgd", "adam"], schedule=["constant", "cosine"], lr=grid, epochs=20, seed=range(8)
)
ends = tuned.table().to_pydict()
mean = {}
for optimizer, schedule in (("sgd", "constant"), ("adam", "constant"), ("sgd", "cosine"), ("adam", "cosine")):
    here = [o == optimizer and s == schedule for o, s in zip(ends["optimizer"], ends["schedule"], strict=True)]
    losses = np.array(ends["loss"])[here].reshape(13, 8).mean(1)
    mean[optimizer, schedule] = losses.min()
    print(f"{optimizer:4s} {schedule:8s} best rate {grid[losses.argmin()]:.3f}   mean loss {losses.min():.4f}")
    assert losses.min() >= plain.exact.loss and 0.01 < grid[losses.argmin()] < 10
assert len(tuned) == 2 * 2 * 13 * 8

# %%
assert f"{mean['sgd', 'cosine']:.3f} {mean['adam', 'cosine']:.3f} {plain.exact.loss:.3f}" == "0.717 0.716 0.716"
again = st.fit(x, y, **problem, optimizer="sgd", schedule="cosine", lr=1.0, epochs=20, seed=0)
assert np.isclose(np.array(ends["loss"]).min(), tuned.best.loss) and tuned.best.loss >= plain.exact.loss
assert abs(again.loss - mean["sgd", "cosine"]) < 0.002
tuned.plot(by="optimizer")

# %% [markdown]
# At its own best rate and with a cosine schedule, SGD ends at 0.717 and Adam at 0.716; the exact optimum is
# 0.716. In a fifth of the epochs, both are better than either was before. The schedule mattered more than the
# optimiser. Whoever compares optimisers at one rate compares rates.
#
# ### How large may the rate be?
#
# For least squares the theorem of lesson 1 says 2/λ. What do 31 rates on 5 seeds say, with batches of 10 and
# with all rows?

# %%
steps = np.geomspace(0.01, 10, 31)
full_rates = st.sweep(x, y, model="poly:2", optimizer="sgd", lr=steps, epochs=100).working_lr()
small_rates = st.sweep(
    x, y, model="poly:2", optimizer="sgd", lr=steps, epochs=50, batch_size=10, seed=range(5)
).working_lr()
print(full_rates)
print(small_rates)

limit = 2 / np.linalg.eigvalsh(2 / 100 * P.T @ P).max()
assert f"{limit:.3f}" in str(full_rates) and f"{limit:.3f}" in str(small_rates) and f"{limit:.2f}" == "0.86"
assert full_rates.high <= limit and small_rates.high < full_rates.high and (len(steps), 5) == (31, 5)

# %% [markdown]
# With all rows, rates work nearly up to the limit of 0.86. With batches of 10 the noise floor takes over long
# before it.
#
# ## The gap judges the descent, the held-out loss judges the model
#
# A polynomial of degree 12, Adam, 500 epochs. The training loss falls below 0.5, far below the 0.716 of the
# parabola. Is it good?

# %%
twelve = st.fit(x, y, model="poly:12", loss="l1", optimizer="adam", lr=0.01, batch_size=10, epochs=500)
exact = st.fit(x, y, model="poly:12", loss="l1")
parabola = st.fit(x, y, model="poly:2", loss="l1")
rng = np.random.default_rng(0)
new_x = rng.uniform(-1.5, 1, 2000)
new_y = 1 + 3 * new_x - 4 * new_x**2 + 0.7 * rng.normal(size=2000)
new = {}
for name, fit in (("parabola", parabola), ("degree 12, Adam", twelve), ("degree 12, exact", exact)):
    new[name] = np.mean(abs(fit.predict(new_x) - new_y))
    print(f"{name:17s} training loss {fit.loss:.3f}   gap {fit.gap:.3f}   on new rows {new[name]:.3f}")
    assert np.isclose(fit.loss, np.mean(abs(fit.predict(x) - y)))

# %%
swing = abs(exact.predict(np.linspace(-1.5, 1, 1000))).max()
print(f"between the points the exact curve reaches {swing:.0f}")

assert np.isclose(exact.loss, twelve.exact.loss, rtol=1e-6) and twelve.loss < 0.5 and f"{parabola.loss:.3f}" == "0.716"
assert 0.05 < twelve.relative_gap < 0.15 and swing > 100 and twelve.epochs == 500
assert (
    new["parabola"] < new["degree 12, Adam"] < new["degree 12, exact"]
    and new["degree 12, exact"] > 10 * new["parabola"]
)
noise_only = 0.7 * np.sqrt(2 / np.pi)
assert abs(new["parabola"] / noise_only - 1) < 0.1

# %% [markdown]
# The better the descent, the worse the model. The exact optimum of degree 12 threads the outlier and swings
# past 100 between the points; on new rows it is more than 10 times worse than the parabola. Adam's curve is
# better there only because it did not arrive. Always show both: the **gap** judges the descent, the **held-out
# loss** judges the model.
#
# The last picture: the data, the formula's line, the line and the parabola of `l1`, and degree 12 by Adam on
# 1,000 points.

# %%
line, robust = st.fit(x, y), st.fit(x, y, loss="l1")
fine = np.linspace(-1.5, 1, 1000)
shown = st.plot(x, y)
curves = {"least-squares line": line, "l1 line": robust, "l1 parabola": parabola, "degree 12, Adam": twelve}
for (name, fit), colour in zip(curves.items(), ("#7F8A96", "#0072B2", "#009E73", "#D55E00"), strict=True):
    shown.line(fine, fit.predict(fine), colour, name=name)
assert len(fine) == 1000 and np.allclose(line.theta, np.polyfit(x, y, 1)[::-1])
shown.update_layout(showlegend=True)

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** How many updates does an epoch have with 442 rows and `batch_size=32`, if the last batch may
# be smaller?

# %% tags=["exercise"]
updates = ...
check(
    "Exercise 1",
    updates,
    lambda it: it == st.fit(bmi, progression, optimizer="sgd", batch_size=32, epochs=1).steps,
    "Round up.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# updates = 14
# ```
#
# Thirteen full batches, and one of the rows that are left.
# </details>
#
# **Exercise 2.** In standardised columns, which batch size brings the noise floor at rate 0.1 down to 20? Use
# `floor`.

# %% tags=["exercise"]
size = ...
check(
    "Exercise 2",
    size,
    lambda it: it == int(it) and floor(0.1, it) <= 20 < floor(0.1, it - 1),
    "The floor goes with 1/b.",
)
assert floor(0.1, 10) / floor(0.1, 20) == 2 and floor(0.1, 1) > 20

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# size = int(np.ceil(floor(0.1, 1) / 20))
# ```
#
# </details>
#
# **Exercise 3.** Find a rate at which momentum, 20 epochs in batches of 10 with a cosine schedule, ends within
# a hundredth of the exact loss, on every one of five seeds.

# %% tags=["exercise"]
momentum_rate = ...


def all_five(lr):
    runs = st.sweep(
        x, y, **problem, optimizer="momentum:0.9", schedule="cosine", lr=float(lr), epochs=20, seed=range(5)
    )
    return np.max(runs.table()["loss"]) < 1.01 * parabola.loss


check("Exercise 3", momentum_rate, all_five, "Sweep over st.sweep(…, lr=np.geomspace(0.001, 1, 13), …) and look.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# momentum_rate = 0.056
# ```
#
# About a tenth of the best rate of SGD: with `momentum:0.9` every gradient counts ten times in the end.
# </details>
#
# ## Now your own table
#
# Sweep over rates and seeds on your rows, with columns made comparable, and held-out rows as the judge:

# %%
own = st.sweep(
    "sample:diabetes", target="progression", precondition="standardize", optimizer=["sgd", "adam"],
    lr=np.geomspace(0.001, 1, 7), batch_size=32, epochs=20, seed=range(3), test_fraction=0.25,
)  # fmt: skip
print(own)

assert len(own) == 2 * 7 * 3
assert np.isclose(own.best.loss, np.mean((own.best.predict(own.best.train.x) - own.best.train.y) ** 2))

# %% [markdown]
# From a shell, and in the browser, where optimisers can be raced against one another:
#
# ```
# steepest sweep sample:diabetes --lr 0.001:1:log:7 --optimizer sgd,adam --batch-size 32 --epochs 20 --seed 0:2
# steepest lab sample:quadratic_with_outlier --target y
# ```
