#!/usr/bin/env bash
# Drives the real Neovim with the real server and the embedded model. Argument: a part of a scenario's name (optional).
# sandbox.sh names the environment variables that choose other ones.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sandbox.sh"

status=0
FOLDER=$folder PATTERN=${1-} "$nvim" --headless --clean -S "$here/run.lua" -c cquit || status=$?
if [[ $status != 0 ]]; then
    tail -n 20 "$folder"/xdg/state/nvim/lsp.log || true
fi
exit "$status"
