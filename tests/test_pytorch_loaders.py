"""Rows from PyTorch's datasets and loaders, beside plain loops over the same loaders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

import steepest as st
from steepest.data import loaders

random = np.random.default_rng(8)
X = torch.as_tensor(random.normal(size=(50, 3)), dtype=torch.float32)
Y = (X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3)[:, 0] + 0.1 * torch.as_tensor(random.normal(size=50)).float()
CLASSES = (X[:, 0] > 0).long() + (X[:, 1] > 0.5).long()
SETTINGS = {"lr": 0.05, "optimizer": torch.optim.SGD, "epochs": 4, "dtype": "float32"}


def net(outputs: int = 1) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs))


def by_hand(loader, criterion, outputs=1, epochs=4):
    module = net(outputs)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    steps = 0
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            prediction = module(x)
            criterion(prediction if outputs > 1 else prediction[:, 0], y).backward()
            optimizer.step()
            steps += 1
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy(), steps


class Rows(Dataset):
    """A map-style dataset of one's own, whose rows are pairs or a dict."""

    def __init__(self, named=False):
        self.named = named

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        pair = X[index], Y[index]
        return {"features": pair[0], "label": pair[1]} if self.named else pair


class Plain:
    """The same without any base class."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        if index >= len(X):
            raise IndexError(index)
        return X[index].numpy(), float(Y[index])


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


SOURCES = {
    "loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=16),
    "loader that drops the last batch": lambda: DataLoader(TensorDataset(X, Y), batch_size=16, drop_last=True),
    "loader of a dataset of one's own": lambda: DataLoader(Rows(), batch_size=16),
    "loader with a collate_fn": lambda: DataLoader(
        Rows(named=True),
        batch_size=16,
        collate_fn=lambda rows: tuple(map(torch.stack, zip(*(r.values() for r in rows), strict=True))),
    ),
    "loader of a subset": lambda: DataLoader(Subset(Rows(), range(5, 45)), batch_size=16),
    "loader of two datasets": lambda: DataLoader(ConcatDataset([TensorDataset(X, Y), Rows()]), batch_size=16),
    "loader of a stream": lambda: DataLoader(Stream(), batch_size=16),
    "loader with a sampler": lambda: DataLoader(TensorDataset(X, Y), batch_size=16, sampler=range(10, 50)),
    "loader with a sampler of batches": lambda: DataLoader(
        TensorDataset(X, Y), batch_sampler=[[0, 1, 2], [3, 4], [5, 9]]
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_loader_is_fitted_batch_by_batch(name):
    loader = SOURCES[name]()
    theta, steps = by_hand(loader, nn.functional.mse_loss)
    fit = st.fit(loader, model=net(), loss=nn.MSELoss(), **SETTINGS)
    assert fit.steps == steps
    np.testing.assert_allclose(fit.theta, theta, rtol=2e-5, atol=1e-7)


DATASETS = {
    "tensors": TensorDataset(X, Y),
    "pairs": Rows(),
    "dicts": Rows(named=True),
    "no base class": Plain(),
    "a part": random_split(Rows(), [40, 10], generator=torch.Generator().manual_seed(0))[0],
    "a stream": Stream(),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_rows_like_any_other(name):
    dataset = DATASETS[name]
    places = dataset.indices if isinstance(dataset, Subset) else range(50)
    settings = {**SETTINGS, "batch_size": 16}
    fit = st.fit(dataset, model=net(), **settings)
    plain = st.fit(X[places], Y[places], model=net(), **settings)
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-6)
    np.testing.assert_array_equal(fit.predict(dataset), fit.predict(X[places]))
    assert st.fit(dataset).relative_gap is not None  # the linear family too


def test_a_shuffling_loader_is_dealt_by_the_seed_and_left_as_it_was():
    loader = DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True)
    before = torch.get_rng_state()
    one, again, other = (st.fit(loader, model=net(), seed=seed, **SETTINGS) for seed in (3, 3, 4))
    assert one.steps == 16
    np.testing.assert_array_equal(one.theta, again.theta)
    assert (one.theta != other.theta).any()
    same = st.fit(X, Y, model=net(), batch_size=16, shuffle="rows", seed=3, **SETTINGS)
    np.testing.assert_array_equal(one.theta, same.theta)
    torch.manual_seed(0)
    weighted = DataLoader(TensorDataset(X, Y), batch_size=10, sampler=WeightedRandomSampler(torch.rand(50), 30))
    one, again = (st.fit(weighted, model=net(), seed=3, **SETTINGS) for _ in range(2))
    assert one.steps == 12
    np.testing.assert_array_equal(one.theta, again.theta)
    torch.set_rng_state(before)
    st.fit(loader, model=net(), **SETTINGS)
    st.fit(weighted, model=net(), **SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loader_of_classes_is_predicted_scored_and_swept_in_the_order_of_its_dataset():
    loader = DataLoader(TensorDataset(X, CLASSES), batch_size=16, shuffle=True)
    fit = st.fit(loader, model=net(3), loss=nn.CrossEntropyLoss(), **(SETTINGS | {"lr": 0.5, "epochs": 60}))
    np.testing.assert_array_equal(fit.predict(loader), fit.predict(X))
    assert (fit.predict(loader) == CLASSES.numpy()).mean() == pytest.approx(fit.metrics["train"]["accuracy"])
    assert fit.metrics["train"]["accuracy"] > 0.9
    np.testing.assert_array_equal(fit.predict_proba(DataLoader(X, batch_size=7)), fit.predict_proba(X))
    runs = st.sweep(loader, model=net(3), loss=nn.CrossEntropyLoss(), optimizer="sgd", epochs=3, lr=[0.1, 0.5])
    alone = st.fit(loader, model=net(3), loss=nn.CrossEntropyLoss(), optimizer="sgd", epochs=3, lr=0.5)
    np.testing.assert_allclose(runs.fit(1).theta, alone.theta, rtol=1e-9)


@pytest.mark.parametrize("kind", ["loader", "dataset", "pair"])
def test_validation_may_be_rows_of_their_own(kind):
    tensors = TensorDataset(X[40:], Y[40:])
    given = {"loader": DataLoader(tensors, batch_size=4), "dataset": tensors, "pair": (X[40:], Y[40:])}[kind]
    loader = DataLoader(TensorDataset(X[:40], Y[:40]), batch_size=10)
    fit = st.fit(loader, model=net(), validation=given, patience=2, **(SETTINGS | {"epochs": 500, "lr": 0.1}))
    # beside a plain loop that stops after two epochs without a better loss on the same rows
    module, best, since, losses = net(), np.inf, 0, []
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    while since < 2:
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.mse_loss(module(x)[:, 0], y).backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(float(nn.functional.mse_loss(module(X[40:])[:, 0], Y[40:])))
        best, since = (losses[-1], 0) if losses[-1] < best else (best, since + 1)
        if len(losses) == 500:
            break
    assert fit.rows == 40
    assert fit.epochs == pytest.approx(len(losses), abs=1)


class Pictures(Dataset):
    """A folder of pictures, a subfolder for each class, as torchvision's ImageFolder has it."""

    def __init__(self, folder, size=None, text=False):
        self.files = sorted(folder.glob("*/*.png"))
        self.classes = sorted({file.parent.name for file in self.files})
        self.size, self.text = size, text

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        name = self.files[index].parent.name
        picture = Image.open(self.files[index])
        picture = picture if self.size is None else picture.resize((self.size, self.size))
        return picture, name if self.text else self.classes.index(name)


@pytest.fixture
def folder(tmp_path):
    for name, channel in (("apples", 0), ("limes", 1)):
        (tmp_path / name).mkdir()
        for i in range(12):
            pixels = random.integers(0, 90, size=(6 + i % 2, 6, 3), dtype=np.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("text", [False, True])
def test_pictures_from_a_folder(folder, text):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    dataset = Pictures(folder, size=6, text=text)
    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    fit = st.fit(dataset, model=module, loss=nn.CrossEntropyLoss(), batch_size=8, epochs=30, lr=0.05, optimizer="adam")
    assert fit.metrics["train"]["accuracy"] == 1.0
    assert any("Pictures are read as" in note for note in fit.notes)
    assert fit.train.x.shape == (24, 3, 6, 6)
    np.testing.assert_allclose(fit.train.x[3], np.asarray(dataset[3][0]).transpose(2, 0, 1) / 255.0, rtol=1e-6)
    labels = [dataset.files[i].parent.name if text else int(i >= 12) for i in range(24)]
    assert fit.predict(dataset).tolist() == labels
    del loader


def test_pictures_of_several_sizes_are_one_line(folder):
    with pytest.raises(st.DataError, match=r"different shapes, \[3, 6, 6\] and \[3, 7, 6\]|different shapes"):
        st.fit(Pictures(folder), model=nn.Flatten(), loss=nn.CrossEntropyLoss())


class Augmented(Rows):
    def __getitem__(self, index):
        return X[index] + 0.01 * torch.randn(3), Y[index]


def test_random_augmentation_is_said():
    assert any("read once" in note for note in st.fit(Augmented(), model=net(), **SETTINGS).notes)


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(3), torch.zeros(())


class Triple(Rows):
    def __getitem__(self, index):
        return X[index], Y[index], index


class Words(Rows):
    def __getitem__(self, index):
        return {"input_ids": X[index], "attention_mask": X[index], "labels": Y[index]}


class Two(Rows):
    def __getitem__(self, index):
        return (X[index], X[index]), Y[index]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: DataLoader(Endless(), batch_size=50), "did not end after 500"),
        (Endless, "did not end after 500"),
        (lambda: ((x, y) for x, y in zip(X, Y, strict=True)), "can be read only once"),
        (lambda: iter(DataLoader(TensorDataset(X, Y))), "can be read only once"),
        (lambda: DataLoader(TensorDataset(X)), "x alone"),
        (Triple, "is 3 parts"),
        (Words, "'input_ids', 'attention_mask', 'labels'"),
        (Two, "x as a list"),
        (lambda: TensorDataset(X[:0], Y[:0]), "no rows"),
    ],
)
def test_sources_that_are_no_rows_are_one_line(given, words, monkeypatch):
    monkeypatch.setattr(loaders, "MOST_ROWS", 500)
    with pytest.raises(st.SteepestError, match=words) as caught:
        st.fit(given(), model=net(), loss=nn.MSELoss(), **SETTINGS)
    assert "\n" not in str(caught.value)


def test_what_a_loader_says_already_is_not_said_again():
    loader = DataLoader(TensorDataset(X, Y), batch_size=16)
    with pytest.raises(st.SpecError, match="batches of 16"):
        st.fit(loader, model=net(), batch_size=8)
    with pytest.raises(st.SpecError, match="y="):
        st.fit(loader, Y, model=net())


def test_a_subset_random_sampler_is_its_own_rows():
    dataset = TensorDataset(X, Y)
    fitted = DataLoader(dataset, 7, sampler=SubsetRandomSampler(range(30)))
    apart = DataLoader(dataset, 7, sampler=SubsetRandomSampler(torch.arange(49, 29, -1)))
    settings = SETTINGS | {"seed": 3, "epochs": 100, "lr": 0.1, "patience": 2}
    fit = st.fit(fitted, model=net(), validation=apart, **settings)
    plain = st.fit(X[:30], Y[:30], model=net(), batch_size=7, validation=(X[30:], Y[30:]), **settings)
    assert (fit.rows, fit.epochs, fit.steps) == (30, plain.epochs, 5 * plain.epochs)
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-6)
    np.testing.assert_array_equal(fit.predict(apart), fit.predict(X[range(49, 29, -1)]))
    changed = X.clone()
    changed[30:] = 1e6  # rows that the sampler leaves out
    leaking = DataLoader(TensorDataset(changed, Y), 7, sampler=SubsetRandomSampler(range(30)))
    again = st.fit(leaking, model=net(), validation=apart, **settings)
    np.testing.assert_array_equal(again.theta, fit.theta)


HOLED = X.clone()
HOLED[3, 1] = float("nan")


@pytest.mark.parametrize(
    ("rows", "settings"),
    [(X, {"validation": 0.2}), (X, {"test_fraction": 0.2}), (HOLED, {"missing": "drop"})],
)
@pytest.mark.parametrize("kind", ["sampler", "batch_sampler"])
def test_a_sampler_is_refused_where_its_numbers_are_of_other_rows(rows, settings, kind):
    dataset = TensorDataset(rows, Y)
    loader = {
        "sampler": DataLoader(dataset, 10, sampler=range(10, 50)),
        "batch_sampler": DataLoader(dataset, batch_sampler=[[0, 1, 2], [3, 49]]),
    }[kind]
    with pytest.raises(st.SpecError, match=r"names rows of the whole dataset \(50\).*validation="):
        st.fit(loader, model=net(), **settings, **SETTINGS)


def test_a_sampler_for_validation_would_be_scored_on_other_rows_and_is_refused():
    apart = DataLoader(TensorDataset(X, Y), 10, sampler=range(40, 50))
    with pytest.raises(st.SpecError, match=r"Subset\(dataset, rows\)"):
        st.fit(TensorDataset(X[:40], Y[:40]), model=net(), validation=apart, **SETTINGS)


def test_a_loader_without_a_batch_size_deals_rows_one_by_one():
    fit = st.fit(DataLoader(TensorDataset(X, Y), batch_size=None), model=net(), **SETTINGS)
    theta, steps = by_hand(DataLoader(TensorDataset(X, Y), batch_size=1), nn.functional.mse_loss)
    assert fit.steps == steps
    np.testing.assert_allclose(fit.theta, theta, rtol=2e-5, atol=1e-7)


def test_a_loader_that_drops_every_batch_is_refused():
    with pytest.raises(st.SpecError, match="batches of 64 with drop_last=True leave no batch of the 50 rows"):
        st.fit(DataLoader(TensorDataset(X, Y), 64, drop_last=True), model=net(), **SETTINGS)


@pytest.mark.parametrize(
    ("more", "words"),
    [({"drop_last": True}, "The loader has drop_last=True"), ({"sampler": range(40)}, "has a sampler")],
)
def test_the_linear_family_says_what_of_a_loader_it_does_not_take(more, words):
    with pytest.raises(st.SpecError, match=words):
        st.fit(DataLoader(TensorDataset(X, Y), 7, **more))
