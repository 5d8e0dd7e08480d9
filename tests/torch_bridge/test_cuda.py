"""The order of work between torch's stream and JAX's, with substitutes for streams and events."""

import gc
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from torch_bridge.cases import bridge, torch

from jaxnb.torch_bridge import cuda, exchange


class FakeEvent:
    """An event that is reached when the test says so, or when it is waited for."""

    def __init__(self, stream, log):
        self.stream, self.log, self.done = stream, log, False

    def query(self):
        return self.done

    def synchronize(self):
        self.log.append(f"host waits for {self.stream}")
        self.done = True


class Recorder:
    """Records events, and keeps them in order."""

    def __init__(self):
        self.events, self.log = [], []

    def __call__(self, stream):
        self.events.append(FakeEvent(stream, self.log))
        return self.events[-1]


class OwnerOnCpu(cuda.ResultOwner):
    """The protocol of arrays on the CPU, by which torch refers to the owner in the same way."""

    @property
    def __array_interface__(self):
        return self._shared.numpy().__array_interface__

    __cuda_array_interface__ = property()


@pytest.fixture
def recorder():
    return Recorder()


def held(freed):
    return sum(len(tensors) for _, tensors, _ in freed._held) + len(freed._freed)


def result(freed, values, stream="S"):
    owner = OwnerOnCpu(torch.tensor(values), stream, freed)
    return torch.as_tensor(np.asarray(owner))


def test_memory_is_noted_as_freed_with_the_last_view_of_it(recorder):
    freed = cuda.FreedResults(recorder)
    tensor = result(freed, [1.0, 2.0, 3.0])
    view = tensor[1:]
    del tensor
    gc.collect()
    assert held(freed) == 0
    assert view.tolist() == [2.0, 3.0]
    saved = (view.clone().requires_grad_() * view).sum()
    del view
    gc.collect()
    assert held(freed) == 0  # autograd still refers to it
    del saved
    gc.collect()
    assert held(freed) == 1
    assert recorder.events == []  # nothing is called on the device when memory is freed


@pytest.mark.quick
def test_freed_memory_is_held_until_its_stream_is_past_it(recorder):
    freed = cuda.FreedResults(recorder)
    for stream in ("S", "T", "S"):
        freed.add(torch.ones(4), stream)
    freed.collect()
    assert [e.stream for e in recorder.events] == ["S", "T"]  # one event a stream
    assert held(freed) == 3
    freed.collect()
    assert held(freed) == 3
    recorder.events[0].done = True
    freed.collect()
    assert held(freed) == 1
    recorder.events[1].done = True
    freed.collect()
    assert held(freed) == 0
    assert recorder.log == []  # the host has not waited


def test_the_host_waits_for_the_oldest_event_if_too_much_is_held(recorder):
    freed = cuda.FreedResults(recorder, limit=40)
    for stream in ("first", "second", "third"):
        freed.add(torch.ones(5), stream)  # 20 bytes
        freed.collect()
    assert recorder.log == ["host waits for first"]
    assert held(freed) == 2


def test_a_stream_that_is_capturing_is_left_alone(recorder):
    capturing = {"T"}
    freed = cuda.FreedResults(lambda stream: None if stream in capturing else recorder(stream))
    for stream in ("S", "T"):
        freed.add(torch.ones(4), stream)
    freed.collect()
    assert [e.stream for e in recorder.events] == ["S"]
    assert held(freed) == 2
    capturing.clear()
    freed.collect()
    assert [e.stream for e in recorder.events] == ["S", "T"]
    for event in recorder.events:
        event.done = True
    freed.collect()
    assert held(freed) == 0


@pytest.mark.parametrize("capturing", [False, True])
def test_no_event_is_recorded_while_its_stream_captures(monkeypatch, capturing):
    entered = []

    class Stream:
        def record_event(self):
            assert not capturing
            return "event"

    monkeypatch.setattr(torch.cuda, "stream", lambda s: entered.append(s) or Device(s))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    stream = Stream()
    assert cuda.event_on(stream) == (None if capturing else "event")
    assert entered == [stream]


def test_the_host_waits_where_jax_cannot_let_a_stream_wait(monkeypatch):
    """As with XLA_PYTHON_CLIENT_USE_TFRT_GPU_CLIENT=1, whose arrays take no stream."""
    log = []

    def from_dlpack(array):
        if isinstance(array, jax.Array):
            raise jax.errors.JaxRuntimeError("UNIMPLEMENTED: WaitUntilBufferReadyOnStream")
        log.append("exported")
        return torch.from_dlpack(array)

    ready = jax.block_until_ready
    monkeypatch.setattr(cuda, "from_dlpack", from_dlpack)
    monkeypatch.setattr(jax, "block_until_ready", lambda a: log.append("host waits") or ready(a))
    assert torch.equal(cuda.exported(jnp.arange(3.0)), torch.arange(3.0))
    assert log == ["host waits", "exported"]


def test_other_errors_of_an_export_are_not_hidden(monkeypatch):
    def from_dlpack(array):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    monkeypatch.setattr(cuda, "from_dlpack", from_dlpack)
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        cuda.exported(jnp.arange(3.0))


def test_rocm_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.version, "hip", "6.4")
    exchange._jax_device.cache_clear()
    with pytest.raises(RuntimeError, match="does not support ROCm"):
        exchange._jax_device(torch.device("cuda:0"))


def test_threads_may_free_and_collect_at_once(recorder):
    freed = cuda.FreedResults(recorder)

    def work():
        for _ in range(200):
            freed.add(torch.ones(1), threading.get_ident())
            freed.collect()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for event in recorder.events:
        event.done = True
    freed.collect()
    assert held(freed) == 0


@pytest.mark.quick
def test_the_detour_refers_to_the_arrays_until_torch_waits_for_the_results():
    log, alive = [], []

    class Array:
        def __init__(self, name):
            self.name = name
            alive.append(name)

        def __del__(self):
            alive.remove(self.name)

    def function(first, *arrays):
        log.append(("launched", first, [a.name for a in arrays]))
        return ["result"]

    def to_torch(result):
        log.append((result, "torch waits", sorted(alive)))
        return result

    tensors = ["x", "mu"]
    results = cuda.exchanged(function, 0.5, tensors, to_jax=Array, to_torch=to_torch)
    assert results == ["result"]
    assert log == [("launched", 0.5, ["x", "mu"]), ("result", "torch waits", ["mu", "x"])]
    assert alive == []


def test_the_host_waits_if_torch_cannot(monkeypatch):
    waited = []
    monkeypatch.setattr(jax, "block_until_ready", waited.append)

    def to_torch(result):
        raise MemoryError

    results = [jnp.ones(2)]
    with pytest.raises(MemoryError):
        cuda.exchanged(lambda first: results, None, [], to_jax=jnp.asarray, to_torch=to_torch)
    assert waited == [results]


def test_capture_of_a_graph_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match="cannot be captured in a CUDA graph"):
        cuda.refuse_graph_capture()


def test_compiled_code_leaves_the_operator_out_of_graphs():
    assert torch.Tag.cudagraph_unsafe in torch.ops.jaxnb.partial_derivatives.default.tags


@pytest.mark.parametrize(("offset", "copied"), [(0, False), (1, True), (4, False)])
def test_memory_that_xla_would_refuse_is_copied(offset, copied):
    whole = torch.empty(64)
    base = (-whole.data_ptr() // 4) % 4  # the first element at a multiple of 16 bytes
    tensor = whole[base + offset :]
    assert (cuda._with_alignment(tensor).data_ptr() != tensor.data_ptr()) == copied


class Device:
    """A context that does nothing, for `torch.cuda.device` on a machine without one."""

    def __init__(self, device):
        self.device = device

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


@pytest.fixture
def cpu_as_device(monkeypatch, recorder):
    """The CPU's memory in the place of a device's: what is called, and in which order."""
    log, freed = recorder.log, cuda.FreedResults(recorder)

    def from_dlpack(array):
        log.append("torch's stream waits")
        return torch.from_dlpack(jax.block_until_ready(array))

    monkeypatch.setattr(cuda, "wait_unless_jax_waits", lambda index: None)
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: "S")
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(cuda, "freed_results", lambda: freed)
    monkeypatch.setattr(cuda, "from_dlpack", from_dlpack)
    monkeypatch.setattr(cuda, "ResultOwner", OwnerOnCpu)
    monkeypatch.setattr(
        torch, "as_tensor", lambda owner, device: torch.from_numpy(np.asarray(owner))
    )
    return freed


def test_a_call_on_a_device_from_end_to_end(cpu_as_device, recorder):
    double = jax.jit(lambda first, a, b: (a * first, a + b))
    a, b = torch.arange(16.0), torch.ones(16)
    for call in range(3):
        product, total = cuda.call(double, 2.0, [a, b])
        assert torch.equal(product, 2 * a)
        assert torch.equal(total, a + 1)
        assert recorder.log == ["torch's stream waits"] * 2 * (call + 1)
        del product, total
        assert len(cpu_as_device._freed) == 2
        for event in recorder.events:
            event.done = True


def test_a_copy_for_jax_is_its_own_memory(cpu_as_device, recorder):
    tensor = torch.arange(64.0)
    array = cuda.owned_by_jax(tensor, copy=True)
    assert array.unsafe_buffer_pointer() != tensor.data_ptr()
    assert recorder.log == ["torch's stream waits"]
    shared = cuda.owned_by_jax(tensor, copy=False)
    np.testing.assert_array_equal(shared, array)


def test_the_bridge_on_the_cpu_does_not_come_here(cpu_as_device, recorder):
    bridge.log_nb_positive(torch.ones(3), torch.ones(3), 2.0)
    assert recorder.log == []


@pytest.mark.parametrize("implemented", [True, False])
def test_the_host_waits_where_jax_names_no_stream(monkeypatch, implemented):
    waits = []

    class Device:
        local_hardware_id = 3

        def get_stream_for_external_ready_events(self):
            if not implemented:
                raise jax.errors.JaxRuntimeError("UNIMPLEMENTED: no such stream")
            return 7

    class Stream:
        def synchronize(self):
            waits.append(True)

    monkeypatch.setattr(jax, "local_devices", lambda backend: [Device()])
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    cuda.jax_names_a_stream.cache_clear()
    cuda.wait_unless_jax_waits(3)
    cuda.jax_names_a_stream.cache_clear()
    assert bool(waits) != implemented
