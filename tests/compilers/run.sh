#!/usr/bin/env bash
# The compilers for TPU and GPU, in an environment of their own: run.sh tpu|gpu [OPTIONS]
#
# .venv-tpu has libtpu and Python 3.11, .venv-gpu the CUDA plug-in of JAX, ptxas and Python 3.12;
# both are made when they are missing. PYTHON names the interpreter. Ends with 77 if an environment
# cannot be made. Options are those of __main__.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${1:?tpu or gpu}
shift
folder=$root/.venv-$target
case $target in
  tpu) version=3.11 packages=("jax[tpu]") ;;
  gpu) version=3.12 packages=(jax jax-cuda13-plugin jax-cuda13-pjrt nvidia-cuda-nvcc nvidia-nvvm) ;;
  *) echo "tpu or gpu, not $target" >&2; exit 2 ;;
esac

if [ ! -e "$folder/made" ]; then
  "${PYTHON:-python$version}" -m venv --clear "$folder" || exit 77
  install=("$folder/bin/pip" install -q -c "$here/constraints-$target.txt")
  # of NVIDIA's packages, only what the compiler needs
  [ "$target" = tpu ] || "${install[@]}" --no-deps "${packages[@]:1}" || exit 77
  "${install[@]}" "${packages[0]}" -e "$root[glm]" || exit 77
  touch "$folder/made"
fi
exec "$folder/bin/python" "$here" "$target" "$@"
