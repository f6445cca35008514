"""Runs and sweeps in which anything was changed: what is loaded is a right run, or a RunError says which file is damaged."""

from __future__ import annotations

import copy
import json
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

import steepest as st
from steepest.atomic_folder import digest_of
from steepest.cli.commands import main
from steepest.errors import RunError, SteepestError, SteepestWarning

KINDS = ("houses", "labels", "network", "rates")
OLDER = Path(__file__).with_name("fixtures") / "0.1.0"

VALUES: list[Any] = [
    None, True, 0, -1, 3, 1e9, 1e308, 10**30, "", "x", "EPOCHS", [], [1], [[1]], ["a", "a"], {}, {"a": 1}, {"float": "nan"},
    {"float": "x"},
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A run of each kind, as this version writes it; and a sweep whose runs share their files."""
    place = tmp_path_factory.mktemp("runs")
    for kind in KINDS:
        st.load(OLDER / kind).save(place / kind)
    x = np.linspace(0, 1, 12)
    st.sweep(x, 2 * x + 1, optimizer="sgd", lr=[0.01, 0.1], seed=[0, 1], batch_size=4, epochs=3).save(place / "shared")
    return place


def use(folder: Path) -> None:
    """Everything that is done with what was loaded."""
    kept = st.load(folder)
    if isinstance(kept, st.Sweep):
        str(kept), kept.table(), kept.to_dict(), kept.ranked()
        kept = kept.fit(0)
    str(kept), repr(kept), kept.to_dict(), str(kept.diagnose()), kept.loss_curve(), kept.plot()
    columns = kept.schema.columns
    kept.predict({c.name: [c.levels[0]] * 2 if c.kind == "category" else [1.0, 2.0] for c in columns})


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if path or key != "sha256":
            yield from _places(entry, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """The value with another one at a place; without the entry there if the change is a function."""
    if not path:
        return None if callable(change) else change
    value = inner = copy.deepcopy(value)
    for key in path[:-1]:
        inner = inner[key]
    if callable(change):
        change(inner, path[-1])
    else:
        inner[path[-1]] = change
    return value


def _take_out(inner: Any, key: Any) -> None:
    del inner[key]


def _records_changed(runs: Path, place: Path, most: int) -> None:
    trials = []
    for kind in (*KINDS, "shared"):
        name = "fit.json" if (runs / kind / "fit.json").exists() else "sweep.json"
        known = json.loads((runs / kind / name).read_text())
        trials += [(kind, name, known, path, value) for path in _places(known) for value in (*VALUES, _take_out)]
    random.Random(1).shuffle(trials)
    told = 0
    for kind, name, known, path, value in trials[:most]:
        shutil.copytree(runs / kind, place)
        (place / name).write_text(json.dumps(_changed(known, path, value)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SteepestWarning)
                use(place)
        except RunError as error:
            told += len(str(error).splitlines()) == 1
        except SteepestError:  # a right run that cannot do this: it says what it needs
            pass
        except Exception as error:
            pytest.fail(f"{kind}/{name} {path} = {value!r}: {type(error).__name__}: {error}")
        shutil.rmtree(place)
    assert told > most // 2


def test_a_changed_record_is_told_or_right(runs, tmp_path):
    _records_changed(runs, tmp_path / "run", 120)


@pytest.mark.soak
def test_any_change_of_a_record_is_told_or_right(runs, tmp_path):
    _records_changed(runs, tmp_path / "run", 20_000)


BITS = """
import json, random, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from steepest.atomic_folder import digest_of
from steepest.errors import SteepestError
from test_damaged_runs import use

runs, place, count, seed = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
chance = random.Random(seed)
files = [path for path in sorted(runs.rglob("*")) if path.suffix in (".parquet", ".safetensors", ".toml")]
for _ in range(count):
    file = chance.choice(files)
    shutil.copytree(file.parent, place)
    content = bytearray(file.read_bytes())
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)):]
    else:
        for _ in range(chance.choice([1, 1, 3])):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    (place / file.name).write_bytes(content)
    record = place / ("fit.json" if (place / "fit.json").exists() else "sweep.json")
    known = json.loads(record.read_text())
    known["sha256"][file.name] = digest_of(bytes(content))
    record.write_text(json.dumps(known))
    print(file, flush=True)
    try:
        use(place)
    except SteepestError:
        pass
    shutil.rmtree(place)
"""


def _bits_flipped(runs: Path, place: Path, count: int, seed: int) -> None:
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        BITS,
        str(Path(__file__).parent),
        str(runs),
        str(place),
        str(count),
        str(seed),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout.splitlines()[-1:]


def test_flipped_bits_that_the_digests_hide_are_told_or_right(runs, tmp_path):
    _bits_flipped(runs, tmp_path / "run", 30, 0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_many_flipped_bits_are_told_or_right(runs, tmp_path, seed):
    _bits_flipped(runs, tmp_path / "run", 1_000, seed)


# ---- a stranger's run ------------------------------------------------------------------------------


def _with(run: Path, files: dict[str, bytes] | None = None, **changes: Any) -> None:
    """Change files and entries of a run's record, with the digests that belong to them."""
    known = json.loads((run / "fit.json").read_text()) | changes
    for name, content in (files or {}).items():
        (run / name).write_bytes(content)
        known["sha256"][name] = digest_of(content)
    (run / "fit.json").write_text(json.dumps(known))


@pytest.fixture
def network(runs, tmp_path) -> Path:
    shutil.copytree(runs / "network", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def houses(runs, tmp_path) -> Path:
    shutil.copytree(runs / "houses", tmp_path / "run")
    return tmp_path / "run"


def test_a_module_of_a_billion_inputs_is_not_built(network):
    _with(network, module={"inputs": 10**9, "outputs": 1, "scaled": True})
    with pytest.raises(RunError, match="module"):
        st.load(network)


def test_a_wide_network_is_not_built_before_its_tensors_are_looked_at(network):
    _with(network, {"spec.toml": b'model = "mlp:1000000,1000000"\n'})
    with pytest.raises(RunError, match=r"weights\.safetensors.* other tensors than a mlp:1000000,1000000"):
        st.load(network)


@pytest.mark.parametrize("degree", [19_000, 10**9, -1, 0])
def test_a_polynomial_of_such_a_degree_is_not_expanded(houses, degree):
    known = json.loads((houses / "fit.json").read_text())["terms"]
    _with(houses, terms=known | {"degree": degree})
    with pytest.raises(RunError, match=r"fit\.json in the run .* is damaged"):
        st.load(houses)


def test_a_small_trace_that_unpacks_to_gigabytes_is_not_unpacked(houses):
    rows = 40_000_000
    names = ["step", "epoch", "lr", "loss", "objective", "grad_norm", "test_loss"]
    table = pa.table({"step": pa.array(np.zeros(rows, np.int64))})
    sink = pa.BufferOutputStream()
    pq.write_table(table.select(["step"] * 7).rename_columns(names), sink, compression="zstd")
    packed = sink.getvalue().to_pybytes()
    assert len(packed) < 2**21
    _with(houses, {"trace.parquet": packed})
    with pytest.raises(RunError, match=r"trace\.parquet .*would take 2\.1 GiB of memory"):
        st.load(houses)


def test_weights_of_another_shape_are_told(houses):
    _with(houses, {"weights.safetensors": safetensors.numpy.save({"theta": np.zeros((5, 1))})})
    with pytest.raises(RunError, match=r"weights\.safetensors .*theta is \(5, 1\)"):
        st.load(houses)


@pytest.mark.parametrize("source", ["/dev/zero", "/proc/version", "pipe"])
def test_a_source_that_may_never_end_is_not_read(tmp_path, capsys, monkeypatch, source):
    import os

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    x = np.random.default_rng(0).normal(size=2_100)
    st.fit(x, x, lr=0.1, epochs=2).save("run")  # more rows than are kept
    _with(Path("run"), source=source)
    assert main(["eject", "run"]) == 1
    assert "is no regular file" in capsys.readouterr().err
