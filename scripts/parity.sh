#!/usr/bin/env bash
# Compares our network with PyTorch on the same weights and inputs, and imported weights with the toolkits that they come
# from, on films. Needs torch, so it is no part of `make test`, which compares with numbers that torch gave once.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
scripts/venv.sh torch
.venv-torch/bin/python models/training/parity.py "$@"
.venv-torch/bin/python models/training/import_parity.py
