#!/usr/bin/env bash
# Takes docs/neovim-ghost-text.png: Neovim in a real terminal, with the real server's ghost text on the screen.
# Needs xvfb, xterm, xdotool, imagemagick and a DejaVu font. sandbox.sh names the variables that choose another model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sandbox.sh"

picture=${1:-$repository/docs/neovim-ghost-text.png}
parrotlet=${PARROTLET_BIN:-$repository/.venv/bin/parrotlet}
command=("$parrotlet" serve ${PARROTLET_MODEL:+--model "$PARROTLET_MODEL"})
printf -v cmd "'%s', " "${command[@]}"
mkdir "$folder/geometry"
cp "$here/scene.py" "$folder/geometry/shapes.py"

cat >"$folder/init.lua" <<LUA
vim.opt.runtimepath:prepend('$repository/nvim')
vim.opt.shortmess:append('I')
vim.o.number = true
vim.o.termguicolors = true
vim.o.laststatus = 2
vim.o.ruler = false
vim.o.statusline = ' %f %m%=%{v:lua.require("parrotlet").statusline()}  %l:%c '
vim.cmd('filetype indent off') -- the typed text brings its own
vim.o.autoindent = false
vim.api.nvim_set_hl(0, 'ComplHint', { fg = '#868c97', italic = true })
vim.lsp.config('parrotlet', { cmd = { $cmd }, settings = { parrotlet = { deadlineMs = 60000 } } })
vim.lsp.enable('parrotlet')
LUA

display=$((RANDOM % 400 + 100))
Xvfb ":$display" -screen 0 1000x620x24 -nolisten tcp >"$folder/xvfb.log" 2>&1 &
export DISPLAY=":$display"
timeout 20 bash -c "until xdotool getdisplaygeometry >/dev/null 2>&1; do sleep 0.1; done"
cd "$folder/geometry"
xterm -fa 'DejaVu Sans Mono' -fs 13 -geometry 78x20+0+0 -b 12 -bg '#14161b' -fg '#e0e2ea' -xrm 'XTerm*cursorColor: #e0e2ea' \
    -xrm 'XTerm*directColor: true' -e "$nvim" --clean -n -u "$folder/init.lua" --listen "$folder/nvim.sock" +\$ shapes.py &

ask() { "$nvim" --clean --headless --server "$folder/nvim.sock" --remote-expr "$1" 2>/dev/null; }
wait_for() { # seconds expression
    local end=$((SECONDS + $1))
    until [[ $(ask "$2") == 1 ]]; do
        ((SECONDS < end)) || { echo "never: $2" >&2; exit 1; }
        sleep 0.3
    done
}
ready='vim.lsp.get_clients({ bufnr = 0 })[1]:request_sync("workspace/executeCommand", { command = "parrotlet.status" }, 2000)'
ghost='vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_create_namespace("nvim.lsp.inline_completion"), 0, -1, {})'
wait_for 60 "luaeval('#vim.lsp.get_clients({ bufnr = 0 }) == 1 and $ready.result.window_is_ready') ? 1 : 0"
xdotool key o
xdotool key Return
xdotool type --delay 60 "    def perimeter(self):"
wait_for 60 "luaeval('#$ghost')"
sleep 0.5 # the terminal paints
import -window root "$folder/screen.png" # more than one file on a display with several frames
convert "$(ls "$folder"/screen*.png | head -1)" -trim +repage -bordercolor '#14161b' -border 8 -strip "$picture"
echo "$picture"
