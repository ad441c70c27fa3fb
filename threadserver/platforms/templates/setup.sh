#!/bin/sh
# Gradescope runs this once, as root, when it builds the autograder's image.
set -e
ROOT=${AUTOGRADER:-/autograder}
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends bubblewrap strace make gcc libc6-dev iproute2 util-linux

# The default image's own Python is older than the kit needs.
for python in python3.13 python3.12 python3.11 python3; do
    if command -v $python && $python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then break; fi
    python=
done
if [ -z "$python" ]; then
    apt-get install --yes --no-install-recommends python3.11 python3.11-venv
    python=python3.11
fi
$python -m venv "$ROOT/venv" || { apt-get install --yes $python-venv && $python -m venv "$ROOT/venv"; }
"$ROOT/venv/bin/python" -m pip install --quiet "$ROOT/source/kit"
