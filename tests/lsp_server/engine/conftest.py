"""Tiny models with fixed seeds, and private runtime folders with short paths."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tape import Tape

from lsp_server.engine.backend import Backend
from lsp_server.engine.native import library
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.engine.resident import ResidentModel
from lsp_server.engine.static_backend import StaticBackend
from lsp_server.engine.static_pass import Recorder
from lsp_server.engine.torch_backend import TorchBackend
from lsp_server.errors import EngineError
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import write_bundle

ROOT = Path(__file__).parents[3]
CONTEXT_TOKENS = 160
VOCAB_SIZE = 290
TEXTS = ["def add(left, right):\n    return left + right\n\n\nclass Point:\n    pass\n" * 4]

MakeBundle = Callable[[int], Path]


def tiny_network(seed: int = 0) -> GPT2:
    """A network with weights so large that its choices are clear, where freshly initialised ones nearly tie."""
    config = GPT2Config(vocab_size=VOCAB_SIZE, context_tokens=CONTEXT_TOKENS, width=32, num_layers=2, num_heads=2)
    network = GPT2(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3, generator=generator)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.train(TEXTS, VOCAB_SIZE)


@pytest.fixture(scope="session")
def make_bundle(tokenizer: CodeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """Writes a bundle whose weights come from the seed."""

    def make(seed: int) -> Path:
        folder = tmp_path_factory.mktemp("bundle")
        layout = PromptLayout(context_tokens=CONTEXT_TOKENS, new_tokens=32, suffix_tokens=32)
        write_bundle(folder, network=tiny_network(seed), tokenizer=tokenizer, layout=layout)
        return folder

    return make


@pytest.fixture(scope="session")
def bundle(make_bundle: MakeBundle) -> Path:
    return make_bundle(0)


@pytest.fixture
def network() -> GPT2:
    return tiny_network()


def kernel_is_built() -> bool:
    try:
        library.load_library()
    except EngineError:
        return False
    return True


needs_kernel = pytest.mark.skipif(not kernel_is_built(), reason="the native kernel is not built: no C++ compiler")


NUM_ROWS = 16


def static_backend(network: GPT2, recorder: Recorder | None = None, num_rows: int = NUM_ROWS) -> StaticBackend:
    return StaticBackend(network, "static", num_rows, recorder)


MAKE_BACKEND: dict[str, Callable[[GPT2], Backend[Any]]] = {
    "torch": lambda network: TorchBackend(network, "torch float32"),
    "native": lambda network: NativeBackend(network, 1),
    "static": static_backend,
    "replayed": lambda network: static_backend(network, Tape()),
}


@pytest.fixture(params=["torch", pytest.param("native", marks=needs_kernel), "static", "replayed"])
def backend(request: pytest.FixtureRequest, network: GPT2) -> Backend[Any]:
    """The tiny network on each kind of back end; `replayed` is what a GPU does, on a CPU."""
    return MAKE_BACKEND[request.param](network)


@pytest.fixture
def model(backend: Backend[Any], tokenizer: CodeTokenizer) -> ResidentModel:
    return ResidentModel(backend, tokenizer, "tiny")


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private folder for sockets, locks and logs; short, because socket paths are limited."""
    folder = Path(tempfile.mkdtemp(prefix="parrotlet-"))
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
