"""The lines between the parts, read from the imports of every module, those inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 400

MAY_IMPORT = {
    # what is above may see what is below, and nothing else of ours; a name covers what is under it
    "lsp_server.errors": (),
    "lsp_server.settings": ("lsp_server.errors",),
    "lsp_server.model": ("lsp_server.model", "lsp_server.errors"),
    "lsp_server.recall": ("lsp_server.recall",),
    "lsp_server.file_lock": (),
    "lsp_server.figures": (),
    "lsp_server.data_folder": (),
    "lsp_server.credentials": (),
    "lsp_server.activity": ("lsp_server.data_folder",),
    "lsp_server.considerate": (
        "lsp_server.activity",
        "lsp_server.credentials",
        "lsp_server.engine.api",
    ),
    "lsp_server.whole": (),
    "lsp_server.broken_pipe": (),
    "lsp_server.library": (
        "lsp_server.library",
        "lsp_server.data_folder",
        "lsp_server.model",
        "lsp_server.whole",
        "lsp_server.errors",
    ),
    "lsp_server.statistics": (
        "lsp_server.statistics",
        "lsp_server.data_folder",
        "lsp_server.figures",
        "lsp_server.errors",
    ),
    "lsp_server.engine": (
        "lsp_server.engine",
        "lsp_server.file_lock",
        "lsp_server.library.choice",
        "lsp_server.model",
        "lsp_server.recall",
        "lsp_server.errors",
        "lsp_server.__version__",
    ),
    "lsp_server.completion": (
        "lsp_server.completion",
        "lsp_server.engine.api",
        "lsp_server.model.prompt",
        "lsp_server.model.tokenizer",
        "lsp_server.model.blocks",
        "lsp_server.errors",
        "lsp_server.settings",
    ),
    "lsp_server.protocol": (
        "lsp_server.protocol",
        "lsp_server.statistics",
        "lsp_server.completion",
        "lsp_server.engine.api",
        "lsp_server.errors",
        "lsp_server.settings",
        "lsp_server.__version__",
    ),
    "lsp_server": ("lsp_server",),
    # the trainer's stages meet on disk: each reads its input through the module that wrote it, and sees no other stage
    "trainer.limits": ("lsp_server.errors",),
    "trainer.dataset_config": ("trainer.limits", "lsp_server.errors"),
    "trainer.fit.config": ("trainer.limits", "lsp_server.errors"),
    "trainer.overrides": ("lsp_server.errors",),
    "trainer.table": (),
    "trainer.arithmetic": (),
    "trainer.task_kinds": (),
    "trainer.config": (
        "trainer.corpus.config",
        "trainer.dataset_config",
        "trainer.fit.config",
        "trainer.ladder.settings",
        "trainer.tuning.settings",
        "trainer.limits",
        "trainer.task_kinds",
        "lsp_server.errors",
    ),
    "trainer.tuning.settings": ("trainer.limits", "lsp_server.errors"),
    "trainer.tuning": (
        "trainer.conversion.cards",
        "trainer.folders",
        "trainer.tuning",
        "trainer.config",
        "trainer.dataset.row",
        "trainer.limits",
        "lsp_server.model",
        "lsp_server.errors",
    ),
    "trainer.recipe": ("trainer.config", "trainer.overrides", "lsp_server.errors"),
    "trainer.recipe_file": ("trainer.config",),
    "trainer.recurrent": (),
    "trainer.ladder.settings": ("trainer.limits", "lsp_server.errors"),
    "trainer.plan.laws": (),
    "trainer.plan": ("trainer", "lsp_server.model", "lsp_server.errors"),
    "trainer.corpus": (
        "trainer.folders",
        "trainer.corpus",
        "trainer.config",
        "trainer.limits",
        "lsp_server.credentials",
        "lsp_server.errors",
    ),
    "trainer.tokenizer": (
        "trainer.folders",
        "trainer.tokenizer",
        "trainer.corpus",
        "trainer.config",
        "lsp_server.model",
        "lsp_server.errors",
    ),
    "trainer.packing": (
        "trainer.folders",
        "trainer.packing",
        "trainer.corpus",
        "trainer.config",
        "lsp_server.model",
        "lsp_server.errors",
    ),
    "trainer.dataset": (
        "trainer.dataset",
        "trainer.packing",
        "trainer.corpus",
        "trainer.config",
        "lsp_server.model",
        "lsp_server.errors",
    ),
    "trainer.fit.schedule": ("trainer.fit.config",),
    "trainer.fit.muon": (),
    "trainer.fit.optim": ("trainer.fit.config", "trainer.fit.muon", "lsp_server.errors"),
    "trainer.fit.averaging": (),
    "trainer.fit.recompute": (),
    "trainer.fit.power": ("lsp_server.machine",),
    "trainer.fit.speed": (),
    "trainer.fit.plot": ("trainer.folders",),
    "trainer.fit.feed": (),
    "trainer.fit.session": (
        "trainer.fit.feed",
        "trainer.fit.config",
        "trainer.fit.optim",
        "trainer.fit.recompute",
        "lsp_server.model.gpt2",
        "lsp_server.errors",
    ),
    "trainer.fit.chunked_loss": (),
    "trainer.fit.steps": ("trainer.fit.chunked_loss", "trainer.fit.feed", "trainer.fit.session", "lsp_server.errors"),
    "trainer.fit.heldout": ("trainer.fit.session", "trainer.fit.steps"),
    "trainer.fit.samples": ("trainer.fit.heldout", "trainer.fit.session", "lsp_server.model"),
    "trainer.fit.divergence": ("trainer.fit.checkpoint", "lsp_server.errors"),
    "trainer.fit.journal": (
        "trainer.folders",
        "trainer.fit.checkpoint",
        "trainer.fit.heldout",
        "trainer.fit.plot",
        "trainer.fit.samples",
        "trainer.fit.session",
        "trainer.fit.speed",
    ),
    "trainer.network": ("trainer.config", "trainer.recurrent", "trainer.tuning", "lsp_server.model"),
    "trainer.fit.interruption": (),
    "trainer.fit.clock": (),
    "trainer.folders": ("lsp_server.file_lock", "lsp_server.whole", "lsp_server.errors"),
    "trainer.conversion": ("trainer.conversion", "trainer.folders", "lsp_server.model", "lsp_server.errors"),
    "trainer.hub": ("lsp_server.model.bundle", "lsp_server.errors"),
    "trainer.fit.checkpoint": ("trainer.fit.averaging", "trainer.fit.config", "lsp_server.errors"),
    "trainer.fit.loop": (
        "trainer.fit.averaging",
        "trainer.fit.checkpoint",
        "trainer.fit.clock",
        "trainer.config",
        "trainer.dataset",
        "trainer.fit.divergence",
        "trainer.fit.feed",
        "trainer.fit.config",
        "trainer.fit.heldout",
        "trainer.fit.interruption",
        "trainer.fit.journal",
        "trainer.network",
        "trainer.packing",
        "trainer.fit.power",
        "trainer.fit.samples",
        "trainer.fit.schedule",
        "trainer.fit.session",
        "trainer.fit.steps",
        "lsp_server.model",
        "lsp_server.errors",
        "trainer.tuning.replay",
    ),
    "trainer.evaluate": (
        "trainer.folders",
        "trainer.evaluate",
        "trainer.corpus",
        "trainer.config",
        "trainer.task_kinds",
        "lsp_server",
        "trainer.packing.canaries",
    ),  # what users get
    "trainer.simulate.pipeline": (
        "trainer.simulate",
        "lsp_server.assembly",
        "lsp_server.completion",
        "lsp_server.engine.api",
        "lsp_server.engine.choice",
        "lsp_server.engine.local",
        "lsp_server.settings",
    ),
    "trainer.simulate": (
        "trainer.simulate",
        "trainer.evaluate",
        "trainer.corpus",
        "trainer.table",
        "lsp_server.figures",
        "lsp_server.errors",
        "lsp_server.settings",
        "lsp_server.__version__",
    ),
    "trainer.export": (
        "trainer.fit.checkpoint",
        "trainer.config",
        "trainer.folders",
        "trainer.network",
        "trainer.ngrams",
        "trainer.packing",
        "lsp_server.model",
        "lsp_server.errors",
        "trainer.tuning",
    ),
    "trainer.ablation.variants": ("lsp_server.errors",),
    "trainer.ablation": ("trainer", "lsp_server.errors", "lsp_server.machine"),
    "trainer.personal": (
        "trainer",
        "lsp_server.activity",
        "lsp_server.library",
        "lsp_server.model",
        "lsp_server.errors",
    ),
    "trainer.ladder": ("trainer", "lsp_server.model", "lsp_server.errors", "lsp_server.machine"),
    "trainer.cli": ("trainer", "lsp_server.broken_pipe", "lsp_server.errors"),
    "trainer": ("trainer", "lsp_server.model", "lsp_server.errors", "lsp_server.__version__"),
}
"""The longest name that covers a module holds for it."""

TORCH = ("torch", "safetensors", "accelerate", "transformers")
MAY_IMPORT_TORCH = (
    "lsp_server.engine.backend",
    "lsp_server.engine.backends",
    "lsp_server.engine.cuda_graphs",
    "lsp_server.engine.decoding",
    "lsp_server.engine.device",
    "lsp_server.engine.healing",
    "lsp_server.engine.hub_backend",
    "lsp_server.engine.int8_linear",
    "lsp_server.engine.mixing",
    "lsp_server.engine.native_backend",
    "lsp_server.engine.resident",
    "lsp_server.engine.static_backend",
    "lsp_server.engine.static_pass",
    "lsp_server.engine.static_pool",
    "lsp_server.engine.torch_backend",
    "lsp_server.engine.sampler",
    "lsp_server.model.document_mask",
    "lsp_server.model.gpt2",
    "lsp_server.model.hub_weights",
    "lsp_server.model.int8_weights",
    "lsp_server.model.ngrams",
    "lsp_server.model.weights",
    "trainer.fit.averaging",
    "trainer.fit.checkpoint",
    "trainer.fit.chunked_loss",
    "trainer.conversion",
    "trainer.dataset",
    "trainer.evaluate",
    "trainer.export",
    "trainer.fit.feed",
    "trainer.fit.heldout",
    "trainer.fit.journal",
    "trainer.ladder.heldout",
    "trainer.ladder.rungs",
    "trainer.fit.loop",
    "trainer.network",
    "trainer.fit.muon",
    "trainer.ngrams",
    "trainer.fit.optim",
    "trainer.pace",
    "trainer.plan.command",
    "trainer.plan.probe",
    "trainer.recurrent",
    "trainer.tuning",
    "trainer.fit.recompute",
    "trainer.fit.power",
    "trainer.fit.samples",
    "trainer.fit.session",
    "trainer.fit.speed",
    "trainer.fit.steps",
)
STARTS_WITHOUT_TORCH = (
    "lsp_server.cli",
    "lsp_server.assembly",
    "lsp_server.protocol",
    "lsp_server.completion",
    "lsp_server.settings",
    "lsp_server.engine.api",
    "lsp_server.engine.client",
    "lsp_server.engine.fake",
    "lsp_server.model.bundle",
    "lsp_server.model.opening",
    "lsp_server.library",
    "trainer.cli",
    "trainer.recipe",
    "trainer.corpus",
)
"""The language server starts in a fraction of a second, and a recipe's mistakes are told before torch has loaded."""


def covers(name: str, module: str) -> bool:
    return module == name or module.startswith(name + ".")


@cache
def modules() -> dict[str, Path]:
    files = (file for package in ("lsp_server", "trainer") for file in sorted((ROOT / package).rglob("*.py")))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(module: str, *, at_start_only: bool = False) -> set[str]:
    """Names of the modules that a module imports; with `at_start_only`, those that are loaded with it."""
    file = modules()[module]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = _nodes_run_at_import(tree) if at_start_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            assert node.module is not None
            found |= {_target(node.module, alias.name) for alias in node.names} - {"__future__.annotations"}
    return found


def _target(module: str, name: str) -> str:
    """`from a import b` imports module a.b where there is one, and otherwise something of module a."""
    is_of_root = module in ("lsp_server", "trainer")
    return f"{module}.{name}" if is_of_root or f"{module}.{name}" in modules() else module


def _nodes_run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_later = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not is_later and not is_for_types:
            yield child
            yield from _nodes_run_at_import(child)


def loaded_with(module: str) -> dict[str, str]:
    """Every module of ours that is loaded with this one, packages included, with the module that asked for it."""
    reached = {module: ""}
    waiting = [module]
    while waiting:
        asking = waiting.pop()
        for target in imports(asking, at_start_only=True):
            parts = target.split(".")
            for name in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
                if name in modules() and name not in reached:
                    reached[name] = asking
                    waiting.append(name)
    return reached


@pytest.mark.parametrize("module", modules())
def test_a_module_sees_only_what_its_layer_may_see(module: str) -> None:
    layer = max((name for name in MAY_IMPORT if covers(name, module)), key=len)
    ours = {name for name in imports(module) if name.startswith(("lsp_server.", "trainer."))}

    forbidden = {name for name in ours if not any(covers(allowed, name) for allowed in MAY_IMPORT[layer])}

    assert not forbidden, f"{module} is of {layer}, which must not import {sorted(forbidden)}"


def test_no_modules_load_each_other() -> None:
    graph = {
        module: {target for target in imports(module, at_start_only=True) & modules().keys() if target != module}
        for module in modules()
    }

    list(TopologicalSorter(graph).static_order())  # raises CycleError and names the cycle


@pytest.mark.parametrize("module", modules())
def test_torch_stays_where_tensors_are(module: str) -> None:
    heavy = {name for name in imports(module) if any(covers(root, name) for root in TORCH)}

    assert not heavy or any(covers(name, module) for name in MAY_IMPORT_TORCH), f"{module} imports {sorted(heavy)}"


@pytest.mark.parametrize(
    "module", [module for module in modules() if any(covers(name, module) for name in STARTS_WITHOUT_TORCH)]
)
def test_torch_is_not_loaded_with_the_server_or_the_command_line(module: str) -> None:
    for name, asking in loaded_with(module).items():
        heavy = {target for target in imports(name, at_start_only=True) if any(covers(root, target) for root in TORCH)}
        assert not heavy, f"{module} loads {name} (asked for by {asking}), which imports {sorted(heavy)}"


@pytest.mark.parametrize("module", modules())
def test_the_protocols_libraries_stay_in_protocol(module: str) -> None:
    protocol = {name for name in imports(module) if covers("pygls", name) or covers("lsprotocol", name)}

    speaks = covers("lsp_server.protocol", module) or module == "trainer.simulate.editors"  # the other end of the line
    assert not protocol or speaks, f"{module} imports {sorted(protocol)}"


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is_and_can_be_read_in_one_sitting(module: str) -> None:
    text = modules()[module].read_text(encoding="utf-8")

    assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"
    assert text.count("\n") <= MAX_LINES, f"{module} has over {MAX_LINES} lines: split it"


def test_every_dependency_says_why_it_is_there() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start = lines.index("dependencies = [")
    entries = lines[start + 1 : lines.index("]", start)]

    assert entries
    assert not [line for line in entries if not line.partition("#")[2].strip()]
