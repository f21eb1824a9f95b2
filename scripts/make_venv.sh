#!/bin/sh
# make_venv.sh PYTHON FOLDER: a virtual environment, or one line that says what is missing for it.
set -eu
python=$1 folder=$2

if ! command -v "$python" >/dev/null; then
    echo "There is no $python: install Python 3.10 or newer, or name yours: make PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "$("$python" --version) is too old: 3.10 or newer is needed; name another: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "This Python cannot make virtual environments: install its venv module (Debian: apt install python3-venv)" >&2
    exit 1
fi
"$python" -m venv "$folder"
