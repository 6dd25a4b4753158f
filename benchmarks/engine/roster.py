"""Which engines take part, with which files and arguments. The one place that names them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.engine.install import BENCH, LLAMA_SERVER, PYTHON, reasons
from benchmarks.engine.process import ROOT, runner_environment
from lsp_server.engine import int8_linear
from lsp_server.model.bundle import Bundle

MODELS = BENCH / "models"
"""Bundles in other formats, by fingerprint."""

OURS = "parrotlet"
OURS_DEFAULT = "parrotlet, own threads"
"""As users get it: the engine chooses how many."""
OURS_TORCH = "parrotlet, no kernel"
"""As where the package was installed without a compiler."""
FP32 = "transformers fp32"
BF16 = "transformers bf16"
LLAMA = "llama.cpp q8_0"
LLAMA_F16 = "llama.cpp f16"
CTRANSLATE2 = "CTranslate2 int8"
SPECULATION = {
    "llama.cpp q8_0, ngram-mod": ("--spec-default",),
    "llama.cpp q8_0, ngram-simple": (
        *("--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "4", "--spec-ngram-simple-size-m", "8"),
        *("--spec-draft-n-max", "8"),
    ),
    "llama.cpp q8_0, ngram-cache": ("--spec-type", "ngram-cache", "--spec-draft-n-max", "4"),
}
"""llama.cpp's speculation without a draft model: as it recommends it, which drafts 48 tokens behind 24 equal ones, and
in two forms short enough for a line of code. A trained draft model is out of scope."""
NOT_RUN = {"ONNX Runtime int8": "left out: its GPT-2 needs an export of its own, with the cache as inputs and outputs"}


TIMED = (OURS, OURS_DEFAULT, OURS_TORCH, FP32, BF16, LLAMA, LLAMA_F16, CTRANSLATE2)
ON_CODE = (OURS, OURS_DEFAULT, FP32, LLAMA, *SPECULATION, CTRANSLATE2)

Command = tuple[str, ...]


class MissingError(RuntimeError):
    """An engine that cannot take part, and why."""


def commands(names: Iterable[str], bundle: Bundle, threads: int) -> tuple[dict[str, Command], dict[str, str]]:
    """How each of these engines is started on the bundle, and the reasons of those that cannot be."""
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = _command(name, bundle, threads)
        except (MissingError, OSError) as error:
            missing[name] = str(error)
    return found, missing


def own_command(bundle: Path, threads: int | None, backend: str = "auto") -> Command:
    """Our engine; None leaves the number of threads to it."""
    command = (*_runner(sys.executable, "ours"), "--bundle", str(bundle), "--backend", backend)
    return command if threads is None else (*command, "--threads", str(threads))


def _command(name: str, bundle: Bundle, threads: int) -> Command:
    count = ("--threads", str(threads))
    if name in (OURS, OURS_DEFAULT):
        return own_command(bundle.path, None if name == OURS_DEFAULT else threads)
    if name == OURS_TORCH:
        return own_command(bundle.path, threads, "int8" if int8_linear.is_available() else "full")
    if name == BF16 and not may_have_bf16():
        raise MissingError(
            "this processor has no AVX-512: without it PyTorch's bf16 reads 900 tokens in 110 s, fp32 in 1.5"
        )
    if name in (FP32, BF16):
        runner = _runner(sys.executable, "transformers_generate")
        return (*runner, "--bundle", str(bundle.path), *count, "--dtype", "bf16" if name == BF16 else "fp32")
    if name == CTRANSLATE2:
        model = _converted(bundle, "ctranslate2_model", "ctranslate2-int8")
        return (*_runner(str(PYTHON), "ctranslate2_static"), "--model", str(model), *count)
    return _llama_command(name, bundle, count)


def may_have_bf16(processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether PyTorch has quick matrix products of bf16 here; yes, where nothing tells of the processor."""
    features = processor.read_text(encoding="utf-8") if processor.is_file() else ""
    flags = [line for line in features.splitlines() if line.startswith("flags")]
    return not flags or " avx512f " in f"{flags[0]} "


def _llama_command(name: str, bundle: Bundle, count: Command) -> Command:
    if not LLAMA_SERVER.is_file():
        raise MissingError(reasons().get("llama.cpp", "its server is not built: run make bench-engine"))
    kind = "f16" if name == LLAMA_F16 else "q8_0"
    model = _converted(bundle, "gguf_file", f"{kind}.gguf", "--kind", kind)
    runner = (*_runner(str(PYTHON), "llama_server"), "--server", str(LLAMA_SERVER), "--gguf", str(model))
    return (*runner, *count, "--", *SPECULATION.get(name, ()))


def _runner(python: str, module: str) -> Command:
    return (python, "-m", f"benchmarks.engine.runners.{module}")


def _converted(bundle: Bundle, module: str, name: str, *options: str) -> Path:
    """The bundle in another engine's format, made once."""
    if not PYTHON.is_file():
        raise MissingError(reasons().get("packages", "its packages are not installed: run make bench-engine"))
    target = MODELS / bundle.fingerprint[:16] / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"partial-{name}")
        command = [str(PYTHON), "-m", f"benchmarks.engine.{module}", str(bundle.path), str(partial), *options]
        result = subprocess.run(
            command, cwd=ROOT, env=runner_environment(), check=False, text=True, stderr=subprocess.PIPE
        )
        if result.returncode:
            raise MissingError(f"{module} failed: {result.stderr.strip().splitlines()[-1]}")
        partial.rename(target)
    return target
