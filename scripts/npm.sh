#!/bin/sh
# npm.sh FOLDER PACKAGE.JSON: installs with npm the MCP servers that the tests drive; without npm it says which tests will be skipped.
set -eu
folder=$1
wanted=$2
if [ -d "$folder/node_modules" ] && cmp -s "$wanted" "$folder/package.json"; then exit 0; fi
if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
    echo "No npm here. The tests that need MCP servers of npm are skipped."
    exit 0
fi
echo "Installing MCP servers into $folder"
rm -rf "$folder"
mkdir -p "$folder"
cp "$wanted" "$folder/package.json"
# Without the packages' own scripts, and without a lock: it would name where the packages came from. Not by --prefix: that
# would leave out the settings of this machine.
export NODE_OPTIONS="--use-system-ca ${NODE_OPTIONS:-}" # what the machine trusts, as pip and curl do
if (cd "$folder" && npm install --ignore-scripts --no-package-lock --omit=dev --no-audit --no-fund --no-update-notifier --fetch-retries=1 --loglevel=error); then
    exit 0
fi
rm -rf "$folder"
echo "npm could not install them; the tests that need them are skipped."
