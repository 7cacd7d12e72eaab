#!/usr/bin/env bash
# scripts/venv.sh [tools|torch|viewers]: makes a Python environment from pinned requirements, anew when they change.
#   tools  .venv         what `make test` and `make check` use
#   torch  .venv-torch   what `make parity` and the training use; several gigabytes
#   viewers  .venv-viewers   what `make viewers` uses
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-tools} in
    tools) venv=.venv requirements=scripts/requirements.txt ;;
    torch) venv=.venv-torch requirements=models/training/requirements.txt ;;
    viewers) venv=.venv-viewers requirements=tests/viewers/requirements.txt ;;
    *) echo "usage: scripts/venv.sh [tools|torch|viewers]" >&2 && exit 2 ;;
esac

stamp=$venv/requirements.sha256
if sha256sum --check --status "$stamp" 2>/dev/null && [[ -x $venv/bin/python ]]; then
    exit 0
fi
echo "venv.sh: making $venv"
python3 -m venv "$venv"
echo '*' >"$venv/.gitignore"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
# Last, so that an interrupted run starts again.
sha256sum "$requirements" >"$stamp"
