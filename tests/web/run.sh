#!/usr/bin/env bash
# Tests the web page in Debian's Chromium, against the cluster of `isthmus demo`. Needs no root.
#
#   tests/web/run.sh [PYTEST ARGUMENTS]     ISTHMUS_BIN=PROGRAM tests another binary than target/release/isthmus
#
# Screenshots are left in target/web/.
set -euo pipefail
cd "$(dirname "$0")/../.."

environment=target/web/python
if ! cmp -s tests/web/requirements.txt "$environment/installed.txt"; then
    python3 -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/web/requirements.txt
    cp tests/web/requirements.txt "$environment/installed.txt"
fi
exec "$environment/bin/pytest" -q -p no:cacheprovider tests/web "$@"
