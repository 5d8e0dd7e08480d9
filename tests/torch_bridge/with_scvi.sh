#!/bin/sh
# The tests against scvi-tools, in an environment of their own:
#
#     tests/torch_bridge/with_scvi.sh [directory, .venv-scvi if none is named] [options of pytest]
#
# The environment is made on the first run; a directory that has one is used as it is. PYTHON names
# the interpreter to make it with.
set -eu
repository=$(cd "$(dirname "$0")/../.." && pwd)
environment=${1:-$repository/.venv-scvi}
[ $# -eq 0 ] || shift
python=$environment/bin/python

if [ ! -e "$environment/complete" ]; then
    "${PYTHON:-python3}" -m venv "$environment"
    # The pin of mpmath is past what torch's sympy takes: with it, pip would go back to an older
    # torch. flax is needed for scvi-tools to import beside JAX.
    grep -v '^mpmath==' "$repository/constraints.txt" >"$environment/constraints.txt"
    "$python" -m pip install --quiet torch==2.13.0
    "$python" -m pip install --quiet -c "$environment/constraints.txt" \
        torch==2.13.0 scvi-tools==1.4.2 flax pytest pytest-xdist -e "$repository"
    touch "$environment/complete"
fi

# torch's idle threads would spin where JAX wants to compute
export OMP_WAIT_POLICY=PASSIVE
cd "$repository"
exec "$python" -m pytest -m scvi tests/torch_bridge/test_scvi*.py "$@"
