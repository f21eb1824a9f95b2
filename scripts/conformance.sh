#!/bin/sh
# conformance.sh PYTHON FOLDER: a virtual environment in FOLDER for each client of a cloud that is run against its
# simulator. A client is a file tests/conformance/CLOUD/CLIENT.txt, which says what pip installs for it, or CLIENT.npm,
# which says what npm does. What has been installed is remembered beside it. Ends with an error when one of them cannot
# be installed.
set -eu
python=$1 folder=$2

cd "$(dirname "$0")/.."
status=0
for wanted in tests/conformance/*/*.txt; do
    client=$(basename "$wanted" .txt)
    place=$folder/$client stamp=$folder/$client.stamp
    if [ -x "$place/bin/python" ] && cmp -s "$wanted" "$stamp"; then continue; fi
    echo "Installing $(tr '\n' ' ' <"$wanted")into $place"
    rm -rf "$place" "$stamp"
    if "$python" -m venv "$place" && "$place/bin/python" -m pip install --quiet --requirement "$wanted"; then
        cp "$wanted" "$stamp"
    else
        echo "The client $client could not be installed." >&2
        status=1
    fi
done
for wanted in tests/conformance/*/*.npm; do
    [ -e "$wanted" ] || continue
    client=$(basename "$wanted" .npm)
    place=$folder/$client stamp=$folder/$client.stamp
    if [ -d "$place/node_modules" ] && cmp -s "$wanted" "$stamp"; then continue; fi
    echo "Installing $(tr '\n' ' ' <"$wanted")into $place"
    rm -rf "$place" "$stamp"
    mkdir -p "$place"
    # shellcheck disable=SC2046 # each word is a package
    if npm install --silent --no-save --prefix "$place" $(cat "$wanted"); then
        cp "$wanted" "$stamp"
    else
        echo "The client $client could not be installed." >&2
        status=1
    fi
done
exit $status
