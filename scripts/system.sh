#!/bin/sh
# Installs with apt the programs that the tests drive and that are missing; without root it says which tests will be skipped.
set -eu
missing=""
need() { # need PACKAGE COMMAND...: the package is missing when none of the commands is there
    package=$1
    shift
    for command in "$@"; do
        if command -v "$command" >/dev/null 2>&1; then return; fi
    done
    missing="$missing $package"
}
need chromium chromium chromium-browser google-chrome
need tmux tmux
need redis-server redis-server
need prometheus promtool
need nginx nginx
need openssl openssl
need git git
need nodejs node
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || command -v fc-list >/dev/null 2>&1 || missing="$missing fonts-dejavu-core"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing with apt:$missing"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # RUNLEVEL=1: install the programs, start no service
    # shellcheck disable=SC2086 # the words are package names
    if apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; then exit 0; fi
    echo "apt could not install them; the tests that need them are skipped."
else
    echo "Not installed:$missing. The tests that need them are skipped. On Debian, as root: apt-get install$missing"
fi
