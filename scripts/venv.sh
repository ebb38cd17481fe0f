#!/bin/sh
# venv.sh FOLDER WHAT...: a virtual environment with what pip is told to install; nothing is done when it is there already.
# The stamp holds the words asked for, so that other words, or a newer pyproject.toml, install again.
set -eu
folder=$1
shift
stamp="$folder/.installed-$(printf '%s' "$*" | cksum | cut -d' ' -f1)"
if [ -f "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && [ -z "$(find constraints -newer "$stamp" -type f)" ]; then
    exit 0
fi
if [ ! -x "$folder/bin/python" ]; then
    python=$(sh scripts/python.sh)
    echo "Making $folder with $python"
    "$python" -m venv "$folder"
fi
echo "Installing into $folder: $*"
rm -f "$folder"/.installed-*
"$folder/bin/python" -m pip install -qq --disable-pip-version-check "$@"
touch "$stamp"
