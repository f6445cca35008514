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
# # 5 · From a line to a network
#
# A network that reads digits is a function with parameters, like the line of lesson 1, and the same loop trains
# it. It also fails in new ways: a loss that stands still at 2.302, and a loss that falls while the network gets
# worse. You meet both on real images.
#
# You need lesson 1, and of lesson 4 what a batch is.
#
# **Install.** `make dist` writes `dist/steepest-0.1.0-py3-none-any.whl`. In JupyterLab and VS Code, run
# `%pip install PATH/TO/steepest-0.1.0-py3-none-any.whl` in a cell. In Colab, upload that file first (the folder
# symbol on the left), then run `%pip install steepest-0.1.0-py3-none-any.whl`. The lesson needs nothing else,
# and no network.

# %%
import numpy as np
import torch
from sklearn.metrics import log_loss
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
# ## A network that learns nothing
#
# 1,797 handwritten digits, each of 8 × 8 pixels with values from 0 to 16. Every fourth is held out. The network
# has 64 inputs, 32 hidden units with ReLU (negative values become 0), and an output for each of the ten digits.

# %%
table = st.synthetic.sample("digits")
pixels = np.column_stack([table[name].to_numpy() for name in table.column_names[:-1]])
digit = np.array(table["digit"].to_pylist()).astype(int)
held = np.arange(len(digit)) % 4 == 0
train_x, train_y = torch.tensor(pixels[~held]), torch.tensor(digit[~held])
test_x, test_y = torch.tensor(pixels[held]), digit[held]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()


assert pixels.shape == (1797, 64) and (pixels.min(), pixels.max()) == (0, 16)


# %%
def train(net, x, y, lr, steps):
    """The loop of lesson 1, with the parameters of a network in the place of a."""
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x), y)
        losses.append(loss.item())
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= lr * parameter.grad
    return losses


# %%
net = network()
losses = train(net, train_x, train_y, lr=0.2, steps=200)
error_rate = np.mean(net(test_x).argmax(1).numpy() != test_y)
for step in (0, 1, 2, 5, 10, 50, 199):
    print(f"step {step:3d}   loss {losses[step]:.4f}")
print(f"error rate on held-out digits {error_rate:.1%}")

failed = st.fit(train_x, train_y, model=network(), loss="cross_entropy", optimizer="sgd", lr=0.2, epochs=200)
assert np.allclose(failed.trace.objective[:200], losses, rtol=1e-6)
assert f"{losses[-1]:.3f}" == "2.302" and error_rate > 0.9 and len(losses) == 200

# %% [markdown]
# For a few steps something happens, then the loss stands at 2.302 for ever. More than nine digits of ten are
# read wrongly. **Guess:**
#
# - `"a"` 32 hidden units are too few
# - `"b"` it needs more steps
# - `"c"` the hidden units have stopped answering to anything
# - `"d"` it found a local minimum near the start

# %% tags=["exercise"]
guess = ...
check("Guess", guess, lambda it: it == "c", "Look inside: what do the hidden units say?")
assert net[0].out_features == 32 and error_rate > 0.9

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# guess = "c"
# ```
#
# </details>
#
# ## What 2.302 means: cross-entropy
#
# The outputs $o_k$ become probabilities by the softmax, and the loss of an image is the negative logarithm of
# the probability given to the true digit:
#
# $$p_k = \frac{e^{o_k}}{\sum_j e^{o_j}} \qquad \ell = -\ln p_{\text{true}}$$


# %% tags=["formula"]
def softmax(outputs):
    powers = np.exp(outputs - outputs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def cross_entropy(outputs, y):
    return -np.mean(np.log(softmax(outputs)[np.arange(len(y)), y]))


punished = [-np.log(p) for p in (0.99, 0.6, 0.01)]
# %%
outputs = np.random.default_rng(0).normal(size=(len(digit), 10)) * 3
print("true digit given 99%, 60%, 1%: loss", ", ".join(f"{loss:.2f}" for loss in punished))

assert np.isclose(
    cross_entropy(outputs, digit), nn.functional.cross_entropy(torch.tensor(outputs), torch.tensor(digit))
)
assert np.isclose(cross_entropy(outputs, digit), log_loss(digit, softmax(outputs))) and np.allclose(
    softmax(outputs).sum(1), 1
)
assert np.allclose(softmax(np.array([[1000.0, 0.0]])), [[1, 0]])  # without the maximum, exp(1000) would be too large
binary = [log_loss([1], [[1 - p, p]], labels=[0, 1]) for p in (0.99, 0.6, 0.01)]
assert np.allclose(punished, binary) and [f"{loss:.2f}" for loss in punished] == ["0.01", "0.51", "4.61"]

# %% [markdown]
# Right and sure costs 0.01. Right and unsure costs a little, 0.51. Confident and wrong costs 4.61. Now suppose
# the network ignores the image and always answers with the shares of the ten digits in the table. Its loss is
# the entropy of these shares:

# %% tags=["formula"]
shares = np.bincount(train_y) / len(train_y)
entropy = -np.sum(shares * np.log(shares))

# %%
print(f"entropy of the shares {entropy:.4f}, the network's loss {losses[-1]:.4f}, ln 10 = {np.log(10):.4f}")

assert np.isclose(entropy, log_loss(train_y, np.tile(shares, (len(train_y), 1)))) and f"{entropy:.3f}" == "2.302"
assert abs(losses[-1] - entropy) < 1e-3 and entropy < np.log(10)

# %% [markdown]
# The same number. The network no longer looks at the image.
#
# ## Dead units
#
# A ReLU lets positive values through. A hidden unit that is negative for *every* image gives 0 for every image,
# and its gradient is 0 too. So no step can ever bring it back: it is **dead**. Count them:

# %% tags=["formula"]
hidden = np.maximum(pixels[~held] @ net[0].weight.detach().numpy().T + net[0].bias.detach().numpy(), 0)
dead = np.sum(np.all(hidden == 0, axis=0))

# %%
net.zero_grad()
nn.functional.cross_entropy(net(train_x), train_y).backward()
largest = net[0].weight.grad.abs().max()
print(f"{dead} of {hidden.shape[1]} hidden units are dead; the largest gradient of their weights is {largest:.0f}")

assert np.allclose(hidden, net[1](net[0](train_x)).detach()) and (dead, hidden.shape[1]) == (32, 32)
assert largest == 0

# %% [markdown]
# All 32. The answer was `"c"`. The library finds it, too:

# %%
finding = next(one for one in failed.diagnose() if one.code == "ST016")
print(finding.what)
print(finding.evidence)
print("Try:", finding.python)

assert finding.evidence.startswith("Of 32 ReLU units 0 were dead at the start and 32 are at the end")

# %% [markdown]
# ### Why did they die?
#
# By the size of the pixels. The gradient of a weight is proportional to the input that it multiplies, and
# inputs up to 16 make it large: the first steps throw all weights far to one side. Divide the pixels by 16, and
# the same network with the same rate learns:

# %%
scaled = network()
falling = train(scaled, train_x / 16, train_y, lr=0.2, steps=200)
error_scaled = np.mean(scaled(test_x / 16).argmax(1).numpy() != test_y)
alive = np.sum(scaled[1](scaled[0](train_x / 16)).detach().numpy().max(0) > 0)
print(f"loss {falling[-1]:.3f}, error rate {error_scaled:.1%}, {alive} of 32 units alive")

healthy = st.fit(train_x / 16, train_y, model=network(), loss="cross_entropy", optimizer="sgd", lr=0.2, epochs=200)
assert np.allclose(healthy.trace.objective[:200], falling, rtol=1e-9)
assert error_scaled < 0.06 and alive == 32 and np.mean(healthy.predict(pixels[held] / 16) != test_y) == error_scaled

# %% [markdown]
# ### The gradient of a network by hand
#
# Nothing is hidden in `backward()`. From the end to the start: the error of the outputs is probability minus
# truth; it passes backwards through the second layer, stops where a unit is off, and arrives at the first.


# %% tags=["formula"]
def gradients(x, y, W1, b1, W2, b2):
    before = x @ W1.T + b1
    hidden = np.maximum(before, 0)
    error = softmax(hidden @ W2.T + b2)
    error[np.arange(len(y)), y] -= 1
    error = error / len(y)
    back = error @ W2 * (before > 0)
    return back.T @ x, back.sum(0), error.T @ hidden, error.sum(0)


# %%
weights = [parameter.detach().numpy() for parameter in scaled.parameters()]
scaled.zero_grad()
nn.functional.cross_entropy(scaled(train_x / 16), train_y).backward()
for mine, parameter in zip(gradients(pixels[~held] / 16, digit[~held], *weights), scaled.parameters(), strict=True):
    print(mine.shape, f"largest difference {abs(mine - parameter.grad.numpy()).max():.0e}")
    assert np.allclose(mine, parameter.grad, atol=1e-12)
st.graph(healthy)

# %% [markdown]
# ## From a line to a network, in one call each
#
# The same call fits a straight model (softmax regression), a network of our own, and a **convolutional**
# network. A convolution slides one small table of weights over the image, so that a stroke is recognised
# wherever it is. By hand:


# %% tags=["formula"]
def convolve(image, kernel):
    out = np.zeros((image.shape[0] - 2, image.shape[1] - 2))
    for i in range(3):
        for j in range(3):
            out += kernel[i, j] * image[i : i + out.shape[0], j : j + out.shape[1]]
    return out


# %%
image, kernel = pixels[0].reshape(8, 8)[:7], np.array([[1.0, 0.0, -1.0], [2.0, 0.5, -2.0], [1.5, 0.0, -3.0]])
by_torch = nn.functional.conv2d(torch.tensor(image)[None, None], torch.tensor(kernel)[None, None])[0, 0]
print(convolve(image, kernel).shape)

assert np.allclose(convolve(image, kernel), by_torch) and by_torch.shape == (5, 6)

# %%
images = pixels.reshape(-1, 1, 8, 8) / 16


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))


common = dict(loss="cross_entropy", test_fraction=0.25)
straight = st.fit(pixels / 16, digit, penalty="l2:0.001", test_fraction=0.25, loss="cross_entropy", model="softmax")
layers = st.fit(pixels / 16, digit, model=network(), batch_size=32, epochs=6, **common)
convolved = st.fit(images, digit, model=convolutional(), batch_size=32, epochs=6, **common)

# %%
parameters = {}
for name, fit in (("softmax", straight), ("network", layers), ("convolutional", convolved)):
    parameters[name], wrong = len(fit.theta), fit.metrics["test"]["error_rate"]
    print(f"{name:13s} {parameters[name]:5d} parameters   error rate on held-out digits {wrong:.1%}")
    truth = fit.schema.labels[fit.test.y.astype(int)]
    assert np.isclose(wrong, np.mean(fit.predict(fit.test.x) != truth)) and wrong < 0.1
    assert np.isclose(fit.test_loss, log_loss(fit.test.y, fit.predict_proba(fit.test.x)), rtol=1e-4)
assert list(parameters.values()) == [65 * 10, 65 * 32 + 33 * 10, 8 * 10 + (8 * 36 + 1) * 10]
assert straight.exact is not None and straight.relative_gap < 1e-6 and convolved.exact is None

# %%
convolved.loss_curve()

# %% [markdown]
# The softmax regression has an exact answer to compare with, and it is reached. The networks have none: their
# loss is not convex. All that can judge them is the held-out loss.
#
# ## A loss that falls, and a network that gets worse
#
# Keep only 100 of the images, a larger network, and many epochs. The rest of the images judges.

# %%
few = np.random.default_rng(0).permutation(len(digit))[:100]
rest = np.setdiff1d(np.arange(len(digit)), few)
settings = dict(model="mlp:64", loss="cross_entropy", optimizer="adam", lr=0.01, epochs=300)
ends = {}
for epochs in (5, 30, 300):
    fit = st.fit(pixels[few] / 16, digit[few], **settings | {"epochs": epochs})
    ends[epochs] = fit.loss, log_loss(digit[rest], fit.predict_proba(pixels[rest] / 16))
    print(f"{epochs:3d} epochs   training loss {ends[epochs][0]:.4f}   on {len(rest):,} others {ends[epochs][1]:.4f}")
    assert np.isclose(fit.loss, log_loss(digit[few], fit.predict_proba(pixels[few] / 16)), rtol=1e-6)
assert ends[300][0] < ends[30][0] < ends[5][0] and ends[30][1] < min(ends[5][1], ends[300][1])
assert len(few) == 100 and len(rest) == 1697

# %% [markdown]
# The training loss falls and falls. The loss on other images falls at first, and then rises again:
# **overfitting**. The remedy is as old as the problem. Hold rows out, watch them, and stop when they get no
# better, which is called **early stopping**:

# %%
watched = settings | dict(validation=(pixels[rest][:300] / 16, digit[rest][:300]))
stopped = st.fit(pixels[few] / 16, digit[few], **watched, patience=10)
late = st.fit(pixels[few] / 16, digit[few], **watched, patience=300)
others = rest[300:]
stopped_loss, late_loss = (log_loss(digit[others], fit.predict_proba(pixels[others] / 16)) for fit in (stopped, late))
print(stopped.message)
print(
    f"on rows that neither has seen: after {stopped.epochs} epochs {stopped_loss:.3f}, after {late.epochs} {late_loss:.3f}"
)

assert stopped.status is st.Status.PATIENCE and stopped.epochs < late.epochs == 300 and stopped_loss < late_loss

# %% [markdown]
# In a picture, with the held-out rows dotted: their loss turns upwards, while that of the training rows goes on falling.

# %%
bent = st.fit(pixels / 16, digit, **settings, test_fraction=0.94)
on_held_out = bent.trace.test_loss[np.isfinite(bent.trace.test_loss)]
assert on_held_out.min() < 0.95 * on_held_out[-1] and bent.loss < 0.01
assert np.isclose(on_held_out[-1], log_loss(bent.test.y, bent.predict_proba(bent.test.x)), rtol=1e-6)
bent.loss_curve()

# %% [markdown]
# ## Starting from weights that are already good
#
# Networks are seldom trained from nothing. Take the weights of one fit as the start of another: here a network
# that knows the digits from 500 images, given one more epoch on 200 new ones.

# %%
first, second, last = np.split(np.random.default_rng(1).permutation(len(digit)), [500, 700])
teacher = st.fit(images[first], digit[first], model=convolutional(), loss="cross_entropy", batch_size=32, epochs=10)
pretrained = convolutional()
pretrained.load_state_dict(teacher.module.state_dict())
errors = {}
for name, start in (("from nothing", convolutional()), ("pretrained", pretrained)):
    fit = st.fit(images[second], digit[second], model=start, loss="cross_entropy", batch_size=32, epochs=1)
    errors[name] = np.mean(fit.predict(images[last]) != digit[last])
    print(f"{name:12s} first loss {fit.trace.objective[0]:.3f}   error rate after one epoch {errors[name]:.1%}")
known = nn.functional.cross_entropy(teacher.module(torch.tensor(images[second]).float()), torch.tensor(digit[second]))
assert (
    np.isclose(fit.trace.objective[0], known.item(), rtol=1e-4) and errors["pretrained"] < 0.3 * errors["from nothing"]
)
assert (len(first), len(second)) == (500, 200)

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** A network gives each of the ten digits the same probability. What is its cross-entropy?

# %% tags=["exercise"]
flat = ...
check(
    "Exercise 1",
    flat,
    lambda it: abs(it - log_loss([3], np.full((1, 10), 0.1), labels=range(10))) < 1e-3,
    "−ln p, p = 1/10.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# flat = np.log(10)
# ```
#
# A network whose first loss is far above it starts out sure, and wrong.
# </details>
#
# **Exercise 2.** The raw pixels need not be divided. Find a learning rate at which the first network, on raw
# pixels, has an error rate below a tenth after 200 steps.

# %% tags=["exercise"]
raw_rate = ...


def learns(lr):
    mine = network()
    train(mine, train_x, train_y, lr=float(lr), steps=200)
    return np.mean(mine(test_x).argmax(1).numpy() != test_y) < 0.1


check("Exercise 2", raw_rate, learns, "Pixels 16 times as large make the gradient of their weights 16 times as large.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# raw_rate = 0.02
# ```
#
# </details>
#
# **Exercise 3.** Which unit of this small layer is dead on these three rows: the first (0), the second (1) or
# the third (2)?

# %% tags=["exercise"]
which = ...
rows = np.array([[1.0, 2.0], [0.5, 3.0], [2.0, 1.0]])
W, b = np.array([[1.0, -1.0], [-1.0, -2.0], [0.2, 0.1]]), np.array([0.0, 1.0, -0.2])
assert list(range(3)) == [0, 1, 2]
check(
    "Exercise 3",
    which,
    lambda it: bool(np.all(np.maximum(rows @ W.T + b, 0)[:, int(it)] == 0)) if it in (0, 1, 2) else False,
    "rows @ W.T + b: which column is never positive?",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# ```python
# which = 1
# ```
#
# </details>
#
# ## Now your own table
#
# Straight or bent? Fit both, and let rows that neither has seen decide. For a table of your own, put its path
# and target here:

# %%
for model in ("linear", "mlp:16"):
    own = st.fit("sample:diabetes", target="progression", model=model, test_fraction=0.25)
    print(f"{model:7s} training loss {own.loss:,.0f}   held out {own.test_loss:,.0f}")
    assert np.isclose(own.loss, np.mean((own.predict(own.train.x) - own.train.y) ** 2))
    assert np.isclose(own.test_loss, np.mean((own.predict(own.test.x) - own.test.y) ** 2))

# %% [markdown]
# In the browser, with the network drawn beside its loss:
#
# ```
# steepest lab sample:digits --target digit
# ```
