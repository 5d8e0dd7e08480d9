"""`patch_scvi` on a stand-in for scvi-tools; `test_scvi.py` has it on the real one."""

import sys
import threading
import types
import warnings

import pytest
from torch_bridge.cases import bridge, torch

from jaxnb.torch_bridge import scvi as patching

FUNCTIONS = ("log_nb_positive", "log_zinb_positive", "log_mixture_nb")
CLASSES = ("NegativeBinomial", "ZeroInflatedNegativeBinomial", "NegativeBinomialMixture")
SOURCE = "scvi.distributions._negative_binomial"


def module(monkeypatch, name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    monkeypatch.setitem(sys.modules, name, made)
    return made


@pytest.fixture
def source(monkeypatch):
    """The module of scvi-tools that defines the six, and its parents."""
    functions = {name: lambda x, *rest, name=name: (name, x) for name in FUNCTIONS}
    for name, function in functions.items():
        function.__name__ = name
    classes = {name: type(name, (), {}) for name in CLASSES}
    module(monkeypatch, "scvi", __path__=[])
    module(monkeypatch, "scvi.distributions", __path__=[], **classes)
    return module(monkeypatch, SOURCE, **functions, **classes)


@pytest.mark.quick
def test_the_six_are_replaced_and_restored(source):
    before = dict(vars(source))
    with bridge.patch_scvi():
        for name in CLASSES:
            assert getattr(source, name) is getattr(bridge, name)
            assert getattr(sys.modules["scvi.distributions"], name) is getattr(bridge, name)
        x, mu = torch.ones(2), torch.tensor([1.0, 2.0])
        expected = bridge.log_nb_positive(x, mu, 2.0)
        assert torch.equal(source.log_nb_positive(x, mu, 2.0), expected)
        assert source.log_nb_positive(3) == ("log_nb_positive", 3)  # arrays go to the original
        assert source.log_mixture_nb is not before["log_mixture_nb"]
    assert vars(source) == before


def test_the_list_of_names_is_that_of_scvi_tools():
    """A function that is added to the bridge alone does not break the patch."""
    assert tuple(f.__name__ for f in patching._FUNCTIONS) == FUNCTIONS
    assert tuple(c.__name__ for c in patching._CLASSES) == CLASSES


def test_names_outside_scvi_are_reported(source, monkeypatch):
    mine = module(monkeypatch, "my_model", loss=source.log_nb_positive, NB=source.NegativeBinomial)
    with pytest.warns(UserWarning, match=r"still its own: my_model\.NB, my_model\.loss\. Call"):
        patch = bridge.patch_scvi()
    assert mine.loss is not source.log_nb_positive
    assert mine.NB is not bridge.NegativeBinomial
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.undo()
        assert mine.loss is source.log_nb_positive
        del mine.loss, mine.NB
        bridge.patch_scvi().undo()


def test_modules_without_contents_do_not_matter(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "blocked", None)
    monkeypatch.setitem(sys.modules, "scvi.odd", types.SimpleNamespace())
    with bridge.patch_scvi():
        pass


def test_imports_in_another_thread_do_not_matter(source):
    """A dictionary that grows while it is iterated over raises."""
    stop = threading.Event()

    def import_modules():
        number = 0
        while not stop.is_set():
            name = f"imported_meanwhile_{number % 500}"
            if sys.modules.pop(name, None) is None:
                sys.modules[name] = types.ModuleType(name)
            number += 1

    thread = threading.Thread(target=import_modules)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(20):
            with bridge.patch_scvi():
                pass
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
        for number in range(500):
            sys.modules.pop(f"imported_meanwhile_{number}", None)


def test_without_scvi_tools_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scvi", None)
    with pytest.raises(ImportError, match="pip install scvi-tools"):
        bridge.patch_scvi()


BROKEN = """
import scvi.distributions._negative_binomial
from flax import linen
"""


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """A scvi-tools whose import fails halfway, as beside JAX without flax."""
    folder = tmp_path / "scvi" / "distributions"
    folder.mkdir(parents=True)
    (tmp_path / "scvi" / "__init__.py").write_text(BROKEN)
    (folder / "__init__.py").touch()
    contents = [f"def {name}(x): ..." for name in FUNCTIONS] + [f"class {c}: ..." for c in CLASSES]
    (folder / "_negative_binomial.py").write_text("\n".join(contents))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "flax", None)
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "scvi"]:
        del sys.modules[name]


@pytest.mark.quick
def test_an_import_of_scvi_tools_that_fails_is_reported_as_it_is(broken):
    """Also the second time, when modules of scvi-tools are left over from the first."""
    for _ in range(2):
        with pytest.raises(ImportError) as raised:
            bridge.patch_scvi()
        message = str(raised.value)
        assert "cannot be imported (import of flax halted" in message
        assert message.endswith("scvi-tools needs flax: pip install flax")
        assert "pip install scvi-tools" not in message
        assert raised.value.__cause__.name == "flax"
        assert "scvi.distributions._negative_binomial" in sys.modules


def test_flax_is_not_named_where_it_is_installed(broken, monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", types.ModuleType("flax"))
    with pytest.raises(ImportError, match=r"cannot be imported \(cannot import name 'linen'.*\)$"):
        bridge.patch_scvi()
