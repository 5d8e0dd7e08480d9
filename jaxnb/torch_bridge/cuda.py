"""Sharing memory with JAX on a CUDA device, in the order of torch's stream and without host waits.

This module has not been run on a device yet. It is written from the sources of JAX 0.10 and torch
2.11 to 2.13; its logic is tested on the CPU with substitutes for streams and events.

torch enqueues work on its current stream S, JAX on streams of its own. A call is a detour from S:

    S:    ... work that writes the inputs | . . . . . . . . . . | work that reads the results
    JAX:                                  | the compiled program |

*The detour begins after the work on S.* `jax.dlpack.from_dlpack(tensor)` asks JAX for a stream, and
torch's `Tensor.__dlpack__(stream)` makes that stream wait for an event recorded on S. JAX records
the event by which an array becomes ready on that stream, and its programs wait for it. Where JAX's
backend names no such stream, JAX passes None, by which torch would order its default stream alone:
there the host waits for S first.

*S goes on after the detour.* `torch.from_dlpack(array)` passes S to JAX, which makes S wait for the
event by which the array becomes ready (`WaitUntilBufferReadyOnStream`), that is, for the program.
Both waits are between streams. The host does not wait, and runs ahead.

*Inputs live long enough.* Since S waits for the program, reading the inputs in it is for torch's
caching allocator the same as reading them in a kernel on S. A tensor allocated on S and freed after
the call is reused by work on S that comes later. For one allocated on another stream the rule of
torch is the usual one, `record_stream(S)`, and needs nothing from here. The inputs are referred to
until S waits; if that fails, the host waits for the program instead.

*Results live long enough.* Their memory is JAX's. When torch drops a tensor while kernels on S that
read it are still to run, JAX must not get the memory back: it knows nothing of S, and would give it
to a program that is not ordered after them (one called from another stream, or outside the bridge).
A result is therefore a tensor whose memory belongs to a Python object, by the public protocol
`__cuda_array_interface__`: `torch.as_tensor` refers to the object until the last view of the memory
is gone. Then the object hands JAX's array to a list. At the next call an event is recorded on S for
what is in the list, and after the event the array is dropped; what is freed after the last call
stays listed. No event is recorded on a stream that is capturing a graph: it waits for a later call.
`Tensor.record_stream` has no effect on memory that torch did not allocate: to use a result on
another stream, let S wait for that stream before the result is dropped.

*Where JAX cannot let a stream wait* (clients other than its default one raise UNIMPLEMENTED), the
host waits for the program before its results are handed over.

*How far the host runs ahead* is bounded by the memory on that list: above `_HELD_BYTES` a call
waits for the oldest event.

*CUDA graphs.* JAX's work cannot be captured in a graph of torch's, so that a call while S is
capturing is refused. In code from `torch.compile` the operator is the same one; it is tagged as
unsafe for CUDA graphs where torch has such a tag.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import jax
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from jaxnb._types import Array

__all__ = ["FreedResults", "ResultOwner", "call", "owned_by_jax", "shared_on_current_stream"]

# XLA refuses a parameter of a program whose address is not a multiple of 16.
_ALIGNMENT = 16
_HELD_BYTES = 1 << 30


class Event(Protocol):
    """What is used of `torch.cuda.Event`."""

    def query(self) -> bool:
        """Whether the work before the event is done."""
        ...

    def synchronize(self) -> None:
        """Wait on the host for the work before the event."""
        ...


class FreedResults:
    """Memory of JAX's that torch has freed on the host, held until its streams are past it.

    Args:
        record: Records an event on a stream; None from it if that is impossible now.
        limit: How many bytes may be held without the host waiting.
    """

    def __init__(self, record: Callable[[Any], Event | None], limit: int = _HELD_BYTES) -> None:
        self._record = record
        self._limit = limit
        self._freed: deque[tuple[Tensor, Any]] = deque()
        self._held: deque[tuple[Event, list[Tensor], int]] = deque()
        self._lock = threading.Lock()

    def add(self, tensor: Tensor, stream: Any) -> None:
        """Note a tensor that torch has freed.

        It may be called from any thread, also by the garbage collector and while a stream is
        capturing: it calls neither CUDA nor anything that waits.
        """
        self._freed.append((tensor, stream))

    def collect(self) -> None:
        """Drop what every stream is past; wait for the oldest where too much is held."""
        with self._lock:
            by_stream: dict[Any, list[Tensor]] = {}
            while self._freed:
                tensor, stream = self._freed.popleft()
                by_stream.setdefault(stream, []).append(tensor)
            for stream, tensors in by_stream.items():
                size = sum(t.numel() * t.element_size() for t in tensors)
                # Recorded now, an event comes after everything that was enqueued before the free.
                event = self._record(stream)
                if event is None:
                    self._freed.extend((tensor, stream) for tensor in tensors)
                else:
                    self._held.append((event, tensors, size))
            while self._held and self._held[0][0].query():
                self._held.popleft()
            while sum(size for _, _, size in self._held) > self._limit:
                self._held[0][0].synchronize()
                self._held.popleft()


class ResultOwner:
    """What torch takes for the owner of a result's memory, and frees with its last tensor."""

    def __init__(self, shared: Tensor, stream: Any, freed: FreedResults) -> None:
        self._shared, self._stream, self._freed = shared, stream, freed

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        interface: dict[str, Any] = self._shared.__cuda_array_interface__
        return interface

    def __del__(self) -> None:
        self._freed.add(self._shared, self._stream)


def shared_with_torch(array: Array, stream: Any, freed: FreedResults) -> Tensor:
    """A JAX array as a tensor that shares its memory; the stream waits until it is computed."""
    shared = exported(array)
    if shared.dtype != torch.bfloat16:
        return torch.as_tensor(ResultOwner(shared, stream, freed), device=shared.device)
    bits = shared.view(torch.int16)  # the protocol has no name for bfloat16
    return torch.as_tensor(ResultOwner(bits, stream, freed), device=bits.device).view(
        torch.bfloat16
    )


def exported(array: Array) -> Tensor:
    """A JAX array as a tensor; torch's stream waits until it is computed, or else the host."""
    try:
        return from_dlpack(array)
    except jax.errors.JaxRuntimeError as error:
        if "UNIMPLEMENTED" not in str(error):
            raise
        return from_dlpack(jax.block_until_ready(array).__dlpack__())  # of no stream


def shared_on_current_stream(array: Array) -> Tensor:
    """A JAX array as a tensor that shares its memory, on the current stream of its device."""
    (device,) = array.devices()
    with torch.cuda.device(device.local_hardware_id):
        refuse_graph_capture()
        freed = freed_results()
        freed.collect()
        return shared_with_torch(array, torch.cuda.current_stream(), freed)


def owned_by_jax(tensor: Tensor, *, copy: bool) -> Array:
    """A contiguous tensor as a JAX array; a copy is JAX's own memory, and torch's stream waits.

    Without a copy the array refers to the tensor, and what is then written to it is the caller's
    responsibility.
    """
    with torch.cuda.device(tensor.device):
        refuse_graph_capture()
        wait_unless_jax_waits(tensor.device.index)
        shared = jax.dlpack.from_dlpack(tensor if copy else _with_alignment(tensor))
        if not copy:
            return shared
        copied = jax.numpy.array(shared, copy=True)
        exported(copied)  # makes the stream wait until the tensor has been read
        return copied


def call(
    function: Callable[..., Sequence[Array]], first: Any, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """The results of a compiled function of (first, *tensors), which share JAX's memory.

    Raises:
        RuntimeError: The current stream is capturing a CUDA graph.
    """
    device = tensors[0].device
    with torch.cuda.device(device):  # whose current stream the exchange is with
        refuse_graph_capture()
        stream, freed = torch.cuda.current_stream(device), freed_results()
        freed.collect()
        wait_unless_jax_waits(device.index)
        return exchanged(
            function,
            first,
            tensors,
            to_jax=lambda tensor: jax.dlpack.from_dlpack(_with_alignment(tensor)),
            to_torch=lambda array: shared_with_torch(array, stream, freed),
        )


def exchanged(
    function: Callable[..., Sequence[Array]],
    first: Any,
    tensors: Sequence[Tensor],
    *,
    to_jax: Callable[[Tensor], Array],
    to_torch: Callable[[Array], Tensor],
) -> list[Tensor]:
    """The detour from torch's stream."""
    # The arrays, and by them the tensors, are referred to until `to_torch` has made it wait.
    arrays = [to_jax(tensor) for tensor in tensors]
    results = function(first, *arrays)
    try:
        return [to_torch(result) for result in results]
    except BaseException:
        jax.block_until_ready(results)
        raise


@cache
def freed_results() -> FreedResults:
    """The list of this process."""
    return FreedResults(event_on)


def event_on(stream: Any) -> Event | None:
    """An event after the work on a stream; None while it is capturing a graph."""
    with torch.cuda.stream(stream):
        if torch.cuda.is_current_stream_capturing():
            return None
    event: Event = stream.record_event()
    return event


@cache
def jax_names_a_stream(index: int) -> bool:
    """Whether JAX has a stream on that device which torch can make wait."""
    for device in jax.local_devices(backend="cuda"):
        if device.local_hardware_id == index:
            try:
                device.get_stream_for_external_ready_events()
            except jax.errors.JaxRuntimeError:
                return False
    return True  # without such a device the exchange itself raises


def wait_unless_jax_waits(index: int) -> None:
    """Wait on the host for torch's current stream if JAX cannot be ordered after it."""
    if not jax_names_a_stream(index):
        torch.cuda.current_stream().synchronize()


def refuse_graph_capture() -> None:
    """Raise where a call would become part of a CUDA graph.

    Raises:
        RuntimeError: The current stream is capturing one.
    """
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError(
            "the functions of jaxnb.torch_bridge cannot be captured in a CUDA graph, because JAX"
            " runs them on a stream of its own: call them outside torch.cuda.graph, and compile"
            ' without mode="reduce-overhead"'
        )


def _with_alignment(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.data_ptr() % _ALIGNMENT else tensor
