# Sourced by run.sh and screenshot.sh: finds Neovim ($nvim), and gives the run a folder of its own ($folder).
#
#   NVIM_BIN        a Neovim >= 0.12 to use; without it, one is unpacked into .e2e/nvim (a few seconds, once)
#   PARROTLET_BIN   the server; default .venv/bin/parrotlet
#   PARROTLET_MODEL a bundle in place of the embedded model

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
nvim=${NVIM_BIN:-$repository/.e2e/nvim/bin/nvim}
[[ -x $nvim ]] || "$here/get_neovim.sh" "$repository/.e2e/nvim"

# Ends what this run started and no other: the engine outlives its editors on purpose.
stop_and_remove() {
    local environment pid
    for environment in $(grep -lsz "^XDG_RUNTIME_DIR=$folder/" /proc/[0-9]*/environ); do
        pid=${environment//[^0-9]/}
        kill "$pid" 2>/dev/null || true
        timeout 10 tail --pid="$pid" -f /dev/null || kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}

# Everything the editor, the server and the engine keep lies in a folder of this run. Sockets need its path to be short.
folder=$(mktemp -d /tmp/parrotlet-nvim.XXXXXX)
trap stop_and_remove EXIT
export TERM=xterm-256color COLORTERM=truecolor
for kind in CONFIG DATA STATE CACHE RUNTIME; do
    name=XDG_${kind}_HOME
    [[ $kind != RUNTIME ]] || name=XDG_RUNTIME_DIR
    export "$name=$folder/xdg/${kind,,}"
    mkdir -p -m 700 "${!name}"
done
