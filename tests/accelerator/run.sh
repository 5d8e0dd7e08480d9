#!/bin/sh
# Accuracy, hazards and speed on the device at hand, as a report: tests/accelerator/run.sh [FOLDER]
#
# Needs jax, numpyro, torch, numpy and scipy, and installs nothing. Writes report.md and report.json
# into FOLDER (by default accelerator-report in the current one), within BUDGET seconds (540).
# PYTHON names the interpreter; further arguments go to report.py.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-accelerator-report}
[ $# -gt 0 ] && shift
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
# Set before either is imported: JAX must leave memory to torch, and idle torch threads must not spin.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export OMP_WAIT_POLICY=PASSIVE
exec "${PYTHON:-python3}" "$here/report.py" --folder "$folder" --budget "${BUDGET:-540}" "$@"
