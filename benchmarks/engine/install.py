"""`python -m benchmarks.engine.install`: the peers, under `.bench/`, apart from the project's own environment.

A peer that cannot be had here is written down with the reason; the benchmark names it then, and runs without it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine.process import ROOT, shown

BENCH = ROOT / ".bench"
PYTHON = BENCH / "venv" / "bin" / "python"
LLAMA_SERVER = BENCH / "llama" / "bin" / "llama-server"
REASONS = BENCH / "missing.json"
PINS = Path(__file__).parent / "requirements.txt"
LLAMA_PINS = Path(__file__).parent / "llama-source.txt"
LLAMA_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",  # all that this processor can do
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",  # it would be downloaded
    "-DLLAMA_OPENSSL=OFF",
)


class InstallError(RuntimeError):
    """A step failed; the message says which, and where its output is."""


def install(jobs: int) -> dict[str, str]:
    """Set up every peer; returns the reasons of those that are missing, by package."""
    BENCH.mkdir(exist_ok=True)
    missing = {}
    for name, step in (("packages", _install_packages), ("llama.cpp", lambda: _build_llama(jobs))):
        try:
            step()
        except (InstallError, OSError) as error:
            missing[name] = str(error)
            print(f"{name}: missing: {error}", file=sys.stderr)
    REASONS.write_text(json.dumps(missing, indent=2) + "\n", encoding="utf-8")
    return missing


def reasons() -> dict[str, str]:
    """What the last installation could not set up; empty too where there was none."""
    return dict(json.loads(REASONS.read_text(encoding="utf-8"))) if REASONS.is_file() else {}


def _install_packages() -> None:
    stamp = BENCH / "requirements.installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == PINS.read_text(encoding="utf-8"):
        return
    print(f"== setting up the peers' packages in {shown(PYTHON.parent.parent)}", flush=True)
    _run([sys.executable, "-m", "venv", str(PYTHON.parent.parent)], "venv")
    _run([str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(PINS)], "pip")
    shutil.copy(PINS, stamp)


def _build_llama(jobs: int) -> None:
    if LLAMA_SERVER.is_file():
        return
    source = _llama_source()
    folder, tools = LLAMA_SERVER.parent.parent, PYTHON.parent
    print("== building llama.cpp's server (a quarter of an hour on two cores)", flush=True)
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"
    configure = [str(tools / "cmake"), "-S", str(source), "-B", str(folder), "-G", "Ninja", ninja, *LLAMA_OPTIONS]
    _run(configure, "llama-configure")
    build = [str(tools / "cmake"), "--build", str(folder), "--target", "llama-server", "--parallel", str(jobs)]
    if subprocess.run(build, check=False).returncode:  # its own counter is the progress bar
        raise InstallError("llama.cpp did not build: see above")


def _llama_source() -> Path:
    """llama.cpp as the source distribution of llama-cpp-python carries it."""
    folder = BENCH / "source"
    pip = [str(PYTHON), "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--dest", str(folder), "-r", str(LLAMA_PINS)], "llama-download")
    archive = max(folder.glob("llama_cpp_python-*.tar.gz"), key=lambda file: file.stat().st_mtime)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"


def _run(command: Sequence[str], name: str) -> None:
    log = BENCH / f"{name}.log"
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        raise InstallError(f"{name} failed with status {status}: see {shown(log)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="of the compiler, at once")
    install(parser.parse_args().jobs)


if __name__ == "__main__":
    main()
