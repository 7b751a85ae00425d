"""How the code is laid out: app -> demos -> core and training -> core, never back. Read from the sources, and from one fresh program."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE, DEMOS, TRAINING = (sorted((ROOT / folder).rglob("*.py")) for folder in ("core", "demos", "training"))
SHIPPED = [ROOT / "app.py", *CORE, *DEMOS, *TRAINING]

# which part of core a tab shows, where the two are not named alike
TOPIC = {"fgsm": "gradient_attacks", "manifold": "vae", "autoencoders": "vae", "smile": "concepts", "write": "text"}


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """The test, once for every file."""
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, "a.b" for both `import a.b` and `from a import b`."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def test_the_sources_are_found():
    assert {path.name for path in CORE} >= {"checks.py", "gradient_attacks.py", "images.py", "runtime.py", "zoo.py"}
    assert len(DEMOS) > 2 and len(TRAINING) > 2


@each(CORE)
def test_core_knows_neither_the_page_nor_the_training(path):
    assert not packages(path) & {"gradio", "gradio_client", "demos", "app", "training", "tests", "benchmarks"}


@each(TRAINING)
def test_training_does_not_know_the_page(path):
    assert not packages(path) & {"gradio", "gradio_client", "demos", "app", "tests", "benchmarks"}


@each(DEMOS)
def test_a_tab_holds_no_tensor_code(path):
    assert not packages(path) & {"torch", "torchvision", "timm", "training", "app", "tests", "benchmarks"}
    bases = [ast.unparse(base) for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef) for base in node.bases]
    assert not [base for base in bases if base.endswith("Module")]


@each(SHIPPED)
def test_nothing_shipped_imports_what_only_tests_need(path):
    """foolbox is installed for its pictures; its code stays unused."""
    assert not packages(path) & {"torchattacks", "foolbox", "art", "scipy", "pytest", "playwright", "httpx", "gradio_client"}


@each(CORE)
def test_every_public_function_and_class_of_core_says_what_it_does(path):
    public = [node for node in tree(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
    assert not [node.name for node in public if not ast.get_docstring(node)]
    assert path.name == "__init__.py" or ast.get_docstring(tree(path))


@each(CORE)
def test_core_takes_no_open_ended_arguments_and_leaves_no_gradients(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{node.name} takes **{node.args.kwarg.arg}"
        if isinstance(node, ast.Attribute):
            assert node.attr != "backward", f"line {node.lineno}: torch.autograd.grad, never .backward()"


@each(SHIPPED)
def test_no_pickle_is_read_without_weights_only(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords), f"line {node.lineno}"
    assert not packages(path) & {"pickle", "joblib", "dill"}


@each(SHIPPED)
def test_no_error_is_swallowed(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            assert not (broad and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)), f"line {node.lineno}"


def name_of(path: Path) -> str | None:
    """What a file of demos/ sets NAME to: a tab's name in the address bar. None for a file that is no tab."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign):
            names = ast.unparse(node.targets[0]).strip("()").split(", ")
            if "NAME" in names:
                value = ast.literal_eval(node.value)
                return value if len(names) == 1 else value[names.index("NAME")]
    return None


def test_the_tabs_are_found():
    assert "fgsm" in map(name_of, DEMOS)


@each([path for path in DEMOS if name_of(path)])
def test_a_topic_has_one_name_in_every_folder(path):
    assert name_of(path).replace("-", "_") == path.stem
    topic = TOPIC.get(path.stem, path.stem)
    assert (ROOT / "core" / f"{topic}.py").exists()
    assert (ROOT / "tests" / f"test_{topic}.py").exists()


PROGRAM = """
import importlib, json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
for name in sys.argv[1:]:
    importlib.import_module(name)
from core import zoo
read = [name for name in opened if name.endswith((".safetensors", ".pth", ".pt", ".npz", ".bin")) or "/weights/" in name]
print(json.dumps({"read": read, "loaded": sorted(zoo._loaded), "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_importing_core_reads_no_weights_and_needs_no_page():
    names = [f"core.{path.stem}" for path in CORE if path.stem != "__init__"]
    assert "core.zoo" in names
    done = subprocess.run([sys.executable, "-c", PROGRAM, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["read"] == [] and found["loaded"] == []
    assert not {"gradio", "torchvision", "timm", "foolbox", "torchattacks", "skimage", "sklearn"} & set(found["modules"])
