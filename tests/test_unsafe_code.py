"""Nothing that is read may bring code along: what the packages may not do, found in their syntax trees.

Ledgers and tracking stores are written by others. So what comes from there is parquet, safetensors, ONNX, JSON and
arrays, and none of it is unpickled or evaluated. CIFAR-10's pickles are torchvision's to read, once their md5 sums are
those that were published (data/cifar10.py).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for package in ("raydensity", "sweeps", "analysis") for path in (ROOT / package).rglob("*.py"))

# Modules that exist to unpickle, or to evaluate, what they read.
MODULES = ("pickle", "_pickle", "cPickle", "cloudpickle", "ray.cloudpickle", "dill", "marshal", "shelve", "jsonpickle")
# Functions of others that do so, and some that make files which have to be read so.
FUNCTIONS = (
    *("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system", "os.popen"),
    *("joblib.load", "joblib.dump", "pandas.read_pickle", "pandas.eval", "pandas.read_hdf"),
    *("torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *("torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "yaml.full_load_all"),
    *("mlflow.pyfunc.load_model", "mlflow.pytorch.load_model", "mlflow.sklearn.load_model"),
    *("ray.tune.Tuner.restore", "ray.tune.ExperimentAnalysis"),  # Tune keeps its state pickled
)
METHODS = ("to_pickle", "restore")
# What a call must say, or must not.
MUST = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}
NEVER = (("allow_pickle", True), ("weights_only", False), ("shell", True), ("autoescape", False), ("verify", False))


def faults(source: str) -> Iterator[str]:
    """What a file does that it may not, by line."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]:
                if _is_one_of(name, MODULES):
                    yield f"{node.lineno}: imports {name}"
        if isinstance(node, ast.Attribute | ast.Name):
            meant = _dotted(node, names)
            if meant in FUNCTIONS:
                yield f"{node.lineno}: uses {meant}"
        if isinstance(node, ast.Call):
            yield from _faults_of_call(node, _dotted(node.func, names))


def _faults_of_call(node: ast.Call, meant: str) -> Iterator[str]:
    given = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
    if meant in MUST and MUST[meant] not in given.items():
        name, value = MUST[meant]
        yield f"{node.lineno}: {meant} without {name}={value}"
    for name, value in NEVER:
        if (name, value) in given.items():
            yield f"{node.lineno}: {name}={value}"
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    # A module's eval() has no arguments; that of a table evaluates text.
    if method in METHODS or (method in ("eval", "query") and node.args):
        yield f"{node.lineno}: calls .{method}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a name stands for, by the imports of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or whole, whole
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of a function, such as numpy.load for np.load; empty for what has none."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _is_one_of(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def test_the_packages_run_nothing_that_they_read():
    assert len(FILES) > 100
    found = {str(path.relative_to(ROOT)): list(faults(path.read_text())) for path in FILES}
    assert {path: own for path, own in found.items() if own} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as harmless",
        "from pickle import loads",
        "def f():\n    from ray import cloudpickle",
        "from ray.cloudpickle import loads",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path, weights_only=False)",
        "from torch import load as read\nread(path, weights_only=flag)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "read(path, allow_pickle=True)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "from yaml import unsafe_load\nunsafe_load(text)",
        "eval(text)",
        "apply = exec",
        "frame.query(text)",
        "frame.eval(text)",
        "import pandas as pd\npd.read_pickle(path)",
        "import joblib\njoblib.load(path)",
        "import torch\ntorch.save(model, path)",
        "from ray import tune\ntune.Tuner.restore(path, trainable)",
        "import mlflow\nmlflow.pyfunc.load_model(uri)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import os\nos.system(text)",
        "import jinja2\njinja2.Environment(autoescape=False)",
    ],
)
def test_what_would_run_something_is_found(source):
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import yaml\nyaml.safe_load(text)",
        "model.eval()",
        "import joblib\njoblib.cpu_count()",
        "import re\nre.compile(text)",
    ],
)
def test_what_runs_nothing_may_stay(source):
    assert not list(faults(source))
