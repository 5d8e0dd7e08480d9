"""The compilers for TPU and GPU, which need no device, and what they make of a program."""

import os
import shutil
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hlo import Structure, structure
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from machine_code import FLAGS, Kernel, kernels
from programs import COLUMNS, ROWS, Array, Program

__all__ = ["NAMES", "TARGETS", "Figures", "measured"]

TARGETS = ("tpu", "gpu")
NAMES = {"tpu": "TPU v5e", "gpu": "H100"}
_H100 = Path(__file__).with_name("h100.txtpb")
_FOLDER = TemporaryDirectory(prefix="jaxnb-compilers-")
_WRITTEN = Path(_FOLDER.name) / "xla"  # by XLA, for each program anew


def _cuda() -> Path | None:
    """The folder of ptxas and libdevice: of the environment, else of the machine."""
    own = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin/ptxas"))
    found = own[0] if own else shutil.which("ptxas")
    return Path(found).resolve().parents[1] if found else None


_CUDA = _cuda()
# Nothing here may look for a device, or for the machine that a TPU would be part of.
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_compilation_cache", False)  # from which programs take no time
os.environ |= {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
    "XLA_FLAGS": f"{FLAGS.format(_WRITTEN)} --xla_gpu_cuda_data_dir={_CUDA}",
}


class Figures(NamedTuple):
    """What a program is once it is compiled, for one device.

    Attributes:
        program: Which one.
        structure: Its operations.
        temporaries: Memory besides arguments and results, in arrays of 1024 x 2000.
        kernels: Of a GPU; none for a TPU.
        seconds: Of processor time, to trace and to compile.
    """

    program: Program
    structure: Structure
    temporaries: float
    kernels: list[Kernel]
    seconds: float

    @property
    def elements(self) -> int:
        """Of a matrix, for each device."""
        return ROWS * COLUMNS // self.program.devices


@cache
def _devices(target: str) -> Any:
    if target == "tpu":
        described = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")
    else:
        described = topologies.get_topology_desc(
            platform="cuda",
            topology_name="h100",
            target_config=_H100.read_text(encoding="utf-8"),
            topology="1x1x4",
        )
    return described.devices


def _argument(array: Array, program: Program, target: str) -> jax.ShapeDtypeStruct:
    devices = _devices(target)[: program.devices]
    sharding: Any = SingleDeviceSharding(devices[0])
    if program.devices > 1:
        rows = PartitionSpec("rows") if array.by_rows and array.shape else PartitionSpec()
        sharding = NamedSharding(Mesh(np.array(devices), ("rows",)), rows)
    if array.dtype == "key":
        key = jax.eval_shape(lambda: jax.random.key(0))
        return jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=sharding)
    return jax.ShapeDtypeStruct(array.shape, array.dtype or program.dtype, sharding=sharding)


def measured(program: Program, target: str, text: Path | None = None) -> Figures:
    """Compile a program, and take its figures from what comes out.

    Args:
        program: Which one.
        target: One of `TARGETS`.
        text: A file for what the compiler has made of it.
    """
    with jax.enable_x64(program.dtype == "float64"):
        arguments = jax.tree.map(
            lambda array: _argument(array, program, target),
            program.arguments,
            is_leaf=lambda node: isinstance(node, Array),
        )
        _empty()
        start = time.process_time()
        compiled = jax.jit(program.function).lower(*arguments).compile()
        seconds = time.process_time() - start
        found = compiled.as_text()
        if text:
            text.write_text(found, encoding="utf-8")
        item = jnp.dtype(program.dtype).itemsize
        temporary = compiled.memory_analysis().temp_size_in_bytes
        return Figures(
            program,
            structure(found),
            temporary * program.devices / (ROWS * COLUMNS * item),
            _kernels(program) if target == "gpu" else [],
            seconds,
        )


def _kernels(program: Program) -> list[Kernel]:
    return kernels(_WRITTEN, f"{_CUDA}/bin/ptxas", ROWS * COLUMNS // program.devices)


def _empty() -> None:
    shutil.rmtree(_WRITTEN, ignore_errors=True)
    _WRITTEN.mkdir()
