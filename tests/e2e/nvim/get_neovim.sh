#!/usr/bin/env bash
# Puts a Neovim >= 0.12 and every library it needs into a private folder. Needs a Debian-like system; no root, no install.
# usage: get_neovim.sh FOLDER [SUITE]
set -euo pipefail

folder=$(realpath -m "$1")
suite=${2:-forky} # rolling: the version is checked by the tests, not pinned
root=$folder/root
apt=$folder/apt

rm -rf "$folder"
mkdir -p "$root" "$apt"/{etc,lists/partial,cache/archives/partial}
: >"$apt/status" # an empty package database: apt then fetches the libraries too

# The same mirror the machine already uses.
mirror=$(grep -rhoP '^(URIs:|deb( \[[^]]*\])?)\s+\Khttps?://\S+?/debian(?=/?(\s|$))' \
    /etc/apt/sources.list.d /etc/apt/sources.list 2>/dev/null | head -1 || true)
[[ $mirror ]] || { echo "no Debian mirror in the apt sources: set NVIM_BIN to a Neovim >= 0.12" >&2; exit 1; }
cat >"$apt/etc/private.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES

options=(
    -o Dir::Etc::sourcelist="$apt/etc/private.sources" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt/cache" -o Debug::NoLocking=true -o APT::Install-Recommends=false
    -o APT::Get::Download-Only=true -o Binary::apt-get::APT::Keep-Downloaded-Packages=true
)
[[ $(id -u) != 0 ]] || options+=(-o APT::Sandbox::User=root)
apt-get -qq "${options[@]}" update
apt-get -qq -y "${options[@]}" install neovim patchelf >/dev/null
for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done

# The suite's C library is newer than this machine's, so the binary gets the suite's loader and library path for good.
# Starting it through the loader would not do: Neovim starts itself again by its own path.
loader=$(find "$root" -name 'ld-linux*.so.*' -print -quit)
libraries=$(find "$root" -name libc.so.6 -printf '%h' -quit)
"$loader" --library-path "$libraries" "$root/usr/bin/patchelf" \
    --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" \
    --output "$root/usr/bin/nvim.private" "$root/usr/bin/nvim"

mkdir -p "$folder/bin"
cat >"$folder/bin/nvim" <<WRAPPER
#!/bin/sh
export VIMRUNTIME="$root/usr/share/nvim/runtime"
exec "$root/usr/bin/nvim.private" --cmd 'set rtp+=$root/usr/lib/nvim' "\$@"
WRAPPER
chmod +x "$folder/bin/nvim"
rm -rf "$apt"
"$folder/bin/nvim" --clean --headless +'lua io.stdout:write("Neovim ", tostring(vim.version()), "\n")' +quit
