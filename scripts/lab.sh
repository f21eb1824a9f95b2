#!/bin/sh
# lab.sh [ARGS]: JupyterLab on this computer, for this user; it prints its own URL.
set -eu

if [ "$(id -u)" = 0 ]; then
    set -- --allow-root "$@"
fi
# Without a screen there is no browser to open.
if [ "$(uname)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    set -- --no-browser "$@"
fi
exec jupyter lab --ip=127.0.0.1 "$@"
