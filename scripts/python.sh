#!/bin/sh
# Prints a Python of 3.11 or later that can make virtual environments, or says what is missing.
set -eu
for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3.14 python3 python; do
    [ -n "$name" ] || continue
    if "$name" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            "$name" -c 'import sys; print(sys.executable)'
            exit 0
        fi
        without_venv=$name
    fi
done
if [ -n "${without_venv:-}" ]; then
    echo "Fanlight: $without_venv has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2
else
    echo "Fanlight: found no Python 3.11 or later (looked for python3.11 to python3.14, python3, python); install one, or name it: make PYTHON=/path/to/python3" >&2
fi
exit 1
