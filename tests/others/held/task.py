"""The wrong question: classes as numbers, numbers as classes, the median for the mean, one-hot targets, a loss that broadcasts,
targets far from what a network gives."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional as F

from others.case import Given, Pair, case
from others.held.parts import WORST, Score, bends, clouds, fresh, plane, squared, waves, weights, wrong

# ---- classes as numbers ----------------------------------------------------------------------------


@case("mean squared error on class codes of a network", codes=("ST035",), kind="task",
      source="https://stackoverflow.com/questions/42638260", advice=r"[Cc]ross.?[Ee]ntropy|class")  # fmt: skip
def codes_by_mse(seed: int) -> Pair:
    def net(outputs: int) -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, outputs))

    x, y = clouds(seed, 300, classes=5)
    settings = {"optimizer": "adam", "lr": 0.02, "batch_size": 50, "epochs": 50}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(1), "loss": nn.MSELoss()}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(5), "loss": nn.CrossEntropyLoss()}),
        score=wrong(*clouds(fresh(seed), 1500, classes=5)),
    )


@case("a custom squared loss for labels 1 to N", codes=("ST035", "ST020"), kind="task",
      source="https://pullrequest.ru/14126136/polzovatelskaya-funktsiya-poter-dlya-prognozirovaniya-vyhodnyh-dannyh-interget",
      advice=r"[Cc]ross.?[Ee]ntropy|class")  # fmt: skip
def labels_by_mlp(seed: int) -> Pair:
    """The answer: mse is a loss of regression, and this is a problem of classes."""
    x, codes = clouds(seed, 300, classes=4)
    settings = {"model": "mlp:16", "optimizer": "adam", "lr": 0.02, "epochs": 400}
    return Pair(
        sick=Given({"x": x, "y": codes + 1}, {**settings, "loss": "mse"}),
        twin=Given({"x": x, "y": codes + 1}, {**settings, "loss": "cross_entropy"}),
        score=wrong(clouds(fresh(seed), 1500, classes=4)[0], clouds(fresh(seed), 1500, classes=4)[1] + 1),
    )


@case("linear regression for three classes", codes=("ST020", "ST035"), kind="task",
      source="https://stats.stackexchange.com/questions/430341/linear-regression-for-multi-class-classification",
      advice=r"class|softmax")  # fmt: skip
def classes_by_line(seed: int) -> Pair:
    """Both names say that codes of classes are taken for amounts: here by what the table asks for by default."""

    def table(start: int, n: int) -> pa.Table:
        x, codes = clouds(start, n, classes=3, spread=0.75)
        return pa.table({"width": 4.0 + x[:, 0], "length": 6.0 + 2.0 * x[:, 1], "species": codes})

    far = table(fresh(seed), 1500)
    return Pair(
        sick=Given({"x": table(seed, 200)}, {"target": "species"}),
        twin=Given({"x": table(seed, 200)}, {"target": "species", "model": "softmax"}),
        score=wrong(far, far["species"].to_numpy()),
    )


# ---- numbers as classes ----------------------------------------------------------------------------


@case("a class for every year of age", codes=("ST036",), kind="task",
      source="https://datascience.stackexchange.com/questions/81554/loss-function-for-age-classification",
      advice=r"mse|MSELoss|regression|number")  # fmt: skip
def ages_as_classes(seed: int) -> Pair:
    def rows(start: int, n: int, noise: float = 0.2):
        x, y = bends(start, n, p=4, noise=noise)
        return x, np.clip(np.round(40 + 14 * y), 1, 79).astype(int)

    def net(outputs: int) -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, outputs))

    x, y = rows(seed, 800)
    seen = np.unique(y)
    far, truth = rows(fresh(seed), 1500, noise=0.0)
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": 80, "epochs": 40}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(len(seen)), "loss": nn.CrossEntropyLoss()}),
        twin=Given({"x": x, "y": (y - 40.0) / 14.0}, {**settings, "model": net(1), "loss": nn.MSELoss()}),
        score=_in_years(far, truth),
    )


def _in_years(far: np.ndarray, truth: np.ndarray) -> Score:
    def score(fit) -> float:
        said = np.asarray(fit.predict(far), dtype=float)
        years = said if np.abs(said).max() > 20 else 40.0 + 14.0 * said  # the twin's targets are standardized
        return float(np.mean((years - truth) ** 2))

    return score


@case("cross-entropy for a regression on whole numbers", codes=("ST036",), kind="task",
      source="https://stats.stackexchange.com/questions/223256/tensorflow-cross-entropy-for-regression",
      advice=r"mse|regression|number|linear")  # fmt: skip
def counts_as_classes(seed: int) -> Pair:
    def table(start: int, n: int) -> tuple[pa.Table, np.ndarray]:
        random = np.random.default_rng(start)
        hours, staff = random.uniform(0, 10, n), random.integers(1, 6, n).astype(float)
        mean = 3.0 + 2.0 * hours + 3.0 * staff
        calls = np.round(mean + 2 * random.standard_normal(n)).astype(int)
        return pa.table({"hours": hours, "staff": staff, "calls": calls}), mean

    far, mean = table(fresh(seed), 1500)
    settings = {"target": "calls", "model": "mlp:12", "optimizer": "adam", "lr": 0.02, "epochs": 400}
    return Pair(
        sick=Given({"x": table(seed, 400)[0]}, {**settings, "loss": "cross_entropy"}),
        twin=Given({"x": table(seed, 400)[0]}, {**settings, "loss": "mse"}),
        score=squared(far, mean),
    )


# ---- the median where the mean is asked for --------------------------------------------------------


def _demand(start: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two columns, the demand of a day, none on most days, and its mean."""
    random = np.random.default_rng(start)
    x = random.uniform(0, 1, (n, 2))
    chance, amount = 0.15 + 0.25 * x[:, 0], 8.0 + 12.0 * x[:, 1]
    sold = np.where(random.random(n) < chance, amount * random.uniform(0.5, 1.5, n), 0.0)
    return x, sold, chance * amount


@case("forecasts of intermittent demand by mae are zero", codes=("ST037",), kind="task",
      source="https://openforecast.org/2025/01/21/don-t-use-mae-based-error-measures-for-intermittent-demand",
      advice=r"mse|mean")  # fmt: skip
def intermittent_demand(seed: int) -> Pair:
    x, sold, _ = _demand(seed, 800)
    table = pa.table({"season": x[:, 0], "promotion": x[:, 1], "sold": sold})
    far, _, mean = _demand(fresh(seed), 1500)
    return Pair(
        sick=Given({"x": table}, {"target": "sold", "loss": "l1"}),
        twin=Given({"x": table}, {"target": "sold", "loss": "mse"}),
        score=squared(pa.table({"season": far[:, 0], "promotion": far[:, 1]}), mean),
    )


@case("L1Loss where the customer asked for accurate means", codes=("ST037",), kind="task",
      source="https://imathworks.com/cv/solved-why-does-minimizing-the-mae-lead-to-forecasting-the-median-and-not-the-mean/",
      advice=r"mse|MSELoss|mean")  # fmt: skip
def skewed_costs(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(-1, 1, (n, 2))
        mean = 2.0 + x[:, 0] + np.abs(x[:, 1])
        return x, mean * random.exponential(1.0, n) ** 1.5 / 1.3293404, mean  # Γ(2.5): the mean of such a power

    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
    x, y, _ = rows(seed, 2000)
    far, _, mean = rows(fresh(seed), 1500)
    settings = {"model": net, "optimizer": "adam", "lr": 0.01, "batch_size": 200, "epochs": 40}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "loss": nn.L1Loss()}),
        twin=Given({"x": x, "y": y}, {**settings, "loss": nn.MSELoss()}),
        score=squared(far, mean),
    )


# ---- one-hot targets -------------------------------------------------------------------------------


@case("labels turned into one-hot vectors by hand", codes=("ST042",), kind="task",
      source="https://stackoverflow.com/questions/55549843/pytorch-doesnt-support-one-hot-vector",
      advice=r"argmax|class|label|code")  # fmt: skip
def one_hot_rows(seed: int) -> Pair:
    """Three classes in a row: least squares on their one-hot columns never names the one between."""

    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        codes = random.integers(0, 3, n)
        x = 2.0 * (codes[:, None] - 1) * np.array([1.0, 0.5]) + 0.5 * random.standard_normal((n, 2))
        return x, codes

    x, y = rows(seed, 240)
    return Pair(
        sick=Given({"x": x, "y": np.eye(3)[y]}, {"loss": "mse"}),
        twin=Given({"x": x, "y": y}, {"model": "softmax", "penalty": "l2:0.001"}),
        score=wrong(*rows(fresh(seed), 1500)),
    )


@case("a one-hot encoded target of a network with MSELoss", codes=("ST042",), kind="task",
      source="https://jamesmccaffreyblog.com/2020/10/05/pytorch-multi-class-classification-using-mseloss-and-one-hot-encoded-data/",
      advice=r"[Cc]ross.?[Ee]ntropy|class|label|code")  # fmt: skip
def one_hot_network(seed: int) -> Pair:
    def net() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 12))

    x, y = clouds(seed, 600, classes=12, spread=0.1)
    settings = {"model": net(), "optimizer": "sgd", "lr": 0.2, "batch_size": 30, "epochs": 40}
    return Pair(
        sick=Given({"x": x, "y": np.eye(12)[y]}, {**settings, "loss": nn.MSELoss()}),
        twin=Given({"x": x, "y": y}, {**settings, "loss": nn.CrossEntropyLoss()}),
        score=wrong(*clouds(fresh(seed), 1500, classes=12, spread=0.1)),
    )


# ---- a loss of one's own that broadcasts -----------------------------------------------------------


@case("predictions in a column against targets in a row", codes=("ST038",), kind="task",
      source="https://github.com/pytorch/pytorch/issues/16045", advice=r"shape|squeeze|reshape|view|broadcast")  # fmt: skip
def linear_broadcast(seed: int) -> Pair:
    def sick(prediction, target):
        return ((prediction.view(-1, 1) - target) ** 2).mean()

    def twin(prediction, target):
        return ((prediction.view(-1, 1) - target.view(-1, 1)) ** 2).mean()

    with weights(seed):
        net = nn.Linear(4, 1)
    x, y = plane(seed, 200)
    settings = {"model": net, "optimizer": partial(torch.optim.SGD, lr=0.1), "epochs": 150}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "loss": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "loss": twin}),
        score=squared(*plane(fresh(seed), 1500)),
    )


class RootMeanSquare(nn.Module):
    """The square root of mse, of predictions that get a second axis; where `both`, the targets get it, too."""

    def __init__(self, both: bool):
        super().__init__()
        self.both = both

    def forward(self, prediction, target):
        target = target.unsqueeze(1) if self.both else target
        return torch.sqrt(torch.mean((prediction.unsqueeze(1) - target) ** 2) + 1e-8)


@case("a training loop of one's own forgets the new axis of y", codes=("ST038",), kind="task",
      source="https://github.com/tensorflow/tensorflow/issues/28901", advice=r"shape|squeeze|reshape|view|broadcast")  # fmt: skip
def root_broadcast(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1))
    x, y = waves(seed, 320)
    settings = {"model": net, "optimizer": "adam", "lr": 0.01, "batch_size": 16, "epochs": 40}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "loss": RootMeanSquare(both=False)}),
        twin=Given({"x": x, "y": y}, {**settings, "loss": RootMeanSquare(both=True)}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("labels with an extra dimension compared to readouts", codes=("ST038",), kind="task",
      source="https://github.com/IntelLabs/matsciml/pull/347", advice=r"shape|squeeze|reshape|view|broadcast")  # fmt: skip
def huber_broadcast(seed: int) -> Pair:
    def sick(prediction, target):
        return (prediction - target[:, None]).abs().clamp(max=5.0).pow(1.5).mean()

    def twin(prediction, target):
        return F.smooth_l1_loss(prediction, target)

    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 1))
    x, y = bends(seed, 800)
    settings = {"model": net, "optimizer": "momentum:0.9", "lr": 0.05, "batch_size": 80, "epochs": 60}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "loss": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "loss": twin}),
        score=squared(*bends(fresh(seed), 1500)),
    )


# ---- a target far from what a network gives --------------------------------------------------------


def _either(far: np.ndarray, truth: np.ndarray, mean: float, unit: float) -> Score:
    """Mean squared error as a share of the variance, of predictions in the raw or in the small unit of the target."""

    def score(fit) -> float:
        said = np.asarray(fit.predict(far), dtype=float)
        shares = [np.mean((said - y) ** 2) / y.var() for y in (truth, (truth - mean) / unit)]
        return float(min(shares)) if np.isfinite(said).all() else WORST

    return score


@case("energies of hundred thousands without normalization", codes=("ST039",), kind="task",
      source="https://github.com/atomistic-machine-learning/schnetpack/issues/336",
      advice=r"standard|scale|divide|target|normal", also=("ST002", "ST003"))  # fmt: skip
def huge_energies(seed: int) -> Pair:
    """Corrected: the twin had learnt the noise of 600 rows; there are 1,500 now."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    x, y = bends(seed, 1500)
    far, truth = bends(fresh(seed), 1500)
    settings = {
        "model": net,
        "loss": nn.MSELoss(),
        "optimizer": partial(torch.optim.Adam, lr=3e-3),
        "batch_size": 100,
        "epochs": 30,
    }
    return Pair(
        sick=Given({"x": x, "y": 4e5 + 9e4 * y}, settings),
        twin=Given({"x": x, "y": y}, settings),
        score=_either(far, 4e5 + 9e4 * truth, 4e5, 9e4),
    )


@case("a power of x whose values reach millions", codes=("ST039",), kind="task",
      source="https://stackoverflow.com/questions/52800582/why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
      advice=r"standard|scale|divide|target|normal", also=("ST002", "ST003"))  # fmt: skip
def a_fourth_power(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(-1, 1, (n, 1))
        return x, 4.0 * x[:, 0] ** 4 - 1.0 + 0.05 * random.standard_normal(n)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.out = nn.Linear(1, 32), nn.Linear(32, 16), nn.Linear(16, 1)

        def forward(self, x):
            return self.out(F.elu(self.second(torch.sigmoid(self.first(x)))))

    with weights(seed):
        net = Net()
    x, y = rows(seed, 300)
    far, truth = rows(fresh(seed), 1500)
    settings = {"model": net, "loss": "mse", "optimizer": "adam", "lr": 0.02, "epochs": 1000}
    return Pair(
        sick=Given({"x": x, "y": 1e6 * (y + 1.0)}, settings),
        twin=Given({"x": x, "y": y}, settings),
        score=_either(far, 1e6 * (truth + 1.0), 1e6, 1e6),
    )
