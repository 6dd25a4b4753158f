#!/usr/bin/env bash
# The embedded model completes a few lines of inventory.py, each cut off somewhere. Usage: demo.sh [PARROTLET]
set -euo pipefail
parrotlet=${1:-parrotlet}
sample=$(dirname "$0")/inventory.py

echo "== parrotlet doctor"
"$parrotlet" doctor

# The file with one line cut off behind the given text: what an editor holds while somebody types.
complete_behind() {
    local line
    line=$(grep -nF -m 1 -- "$1" "$sample" | cut -d: -f1)
    printf '\n== line %s of %s, typed up to: %s\n' "$line" "$sample" "$1"
    awk -v line="$line" -v typed="$1" 'NR == line { print substr($0, 1, index($0, typed) + length(typed) - 1); next } 1' "$sample" |
        "$parrotlet" complete - --at "$line" --greedy
}
complete_behind 'self.items[item.name] ='
complete_behind 'os.path.exists('
complete_behind 'for entry in'
complete_behind 'sorted('

cat <<'END'

That was the model inside the package, greedy, on this machine alone. Next, in README.md:
  Neovim     vim.opt.runtimepath:append('.../nvim'), then vim.lsp.enable('parrotlet')
  VS Code    make vsix, then code --install-extension vscode-extension/parrotlet.vsix
  Your code  parrotlet complete FILE:LINE:COLUMN
END
