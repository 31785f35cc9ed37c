#!/usr/bin/env bash
# Generates requests from the API's own description, sends them to a live node, and checks every answer against it.
#
#   tests/api/run.sh http://127.0.0.1:8080 [ARGUMENT of schemathesis ..]
#
# The node is changed at random: give it one of its own. The tools come from PyPI into target/api-venv.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
url=${1:?the address of a node}
# Schemathesis leaves a cache where it runs.
mkdir -p "$here/../../target/api-run"
cd "$here/../../target/api-run"
venv=../api-venv
stamp=$venv/$(sha256sum "$here/requirements.txt" | cut -d' ' -f1)

if [ ! -e "$stamp" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    touch "$stamp"
fi

document=$(mktemp --suffix .json)
trap 'rm -f "$document"' EXIT
curl -sS --fail "$url/openapi.json" -o "$document"
"$venv/bin/python" -m openapi_spec_validator "$document" >/dev/null
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here SCHEMATHESIS_HOOKS=hooks
# A stream of events has no end. Everything else is asked for.
"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/openapi.json" --exclude-path /api/v1/events \
    --request-timeout 15 --no-color "${@:2}"
