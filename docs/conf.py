"""How the documentation is built: see CONTRIBUTING.md for the command."""

import hashlib
import importlib
import inspect
import os
import pathlib
import re
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
from docutils import nodes
from numpyro.distributions.util import lazy_property
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.typing import stringify_annotation

import jaxnb
from jaxnb._types import ArrayLike, DTypeLike
from jaxnb.declarations import DECLARATIONS, Declaration

project = "jaxnb"
author = "The jaxnb authors"
copyright = "The jaxnb authors. Apache-2.0"
version = release = jaxnb.__version__
SOURCE = "https://github.com/jaxnb/jaxnb"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax in the site itself: no network is needed to read it
    "sphinx_copybutton",
]
exclude_patterns = [
    "_build",
    "measured",  # tables that scripts write and pages include
    "**/.ipynb_checkpoints",
]
default_role = "py:obj"
nitpicky = True
# What jaxnb builds on is named in signatures, and its documentation is not read at build time.
OTHERS = r"(jax|numpy|NDArray|numpyro|pandas|scipy|torch|np|ndarray|ArrayLike|DTypeLike)\b.*"
STANDARD = r"(collections|enum|os|pathlib|typing)\b.*"
PRIVATE = (
    r"jaxnb\.(glm\.[a-z.]+|io\.matrices|torch_bridge\.scvi)\.[A-Za-z]+"
    r"|(jaxnb\.distributions\.base\.)?CountDistribution|jaxnb\.residuals\._Distribution"
    r"|jaxnb\.torch_bridge\.counts\.Counts"
)
nitpick_ignore_regex = [(r"py:.*", names) for names in (OTHERS, STANDARD, PRIVATE)]

_HERE = pathlib.Path(__file__).parent

# Cells run with the package of this tree, also where another one is installed.
os.environ.setdefault("PYTHONPATH", str(pathlib.Path(jaxnb.__file__).parents[1]))
# Pages share compiled programs: many fit the same counts.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_HERE / "_build" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

html_theme = "furo"
html_title = f"jaxnb {version}"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": f"{SOURCE}/",
    "source_branch": "main",
    "source_directory": "docs/",
    "footer_icons": [{"name": "Source", "url": SOURCE, "html": "source on GitHub", "class": ""}],
    "light_css_variables": {
        "color-brand-primary": "#0072B2",
        "color-brand-content": "#0072B2",
        # All sections of the sidebar are visible in a window of 900 pixels.
        "sidebar-item-spacing-vertical": "0.2rem",
        "sidebar-caption-space-above": "0.6rem",
        "sidebar-tree-space-above": "0.2rem",
    },
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

python_maximum_signature_line_length = 60
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False


def _package_digest() -> str:
    """A digest of the package: cells executed with another version of it are out of date."""
    digest = hashlib.sha256()
    for source in sorted(pathlib.Path(jaxnb.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _copy_notebooks() -> None:
    """Bring the notebooks to where Sphinx looks; their links point from the repository's root."""
    copies = _HERE / "notebooks"
    copies.mkdir(exist_ok=True)
    for source in (_HERE.parent / "notebooks").iterdir():
        if source.suffix in (".ipynb", ".mplstyle"):
            text = source.read_text(encoding="utf-8").replace("](../docs/", "](../")
            copy = copies / source.name
            if not copy.exists() or copy.read_text(encoding="utf-8") != text:
                copy.write_text(text, encoding="utf-8")


_copy_notebooks()
nb_execution_mode = "cache"
nb_execution_cache_path = str(_HERE / "_build" / "executed" / _package_digest())
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove-warn"


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The address of an object's source lines, for the extension linkcode."""
    if domain != "py" or not info["module"]:
        return None
    found: object = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    found = inspect.unwrap(getattr(found, "fget", None) or found)  # type: ignore[arg-type]
    try:
        file = pathlib.Path(inspect.getsourcefile(found) or "").relative_to(_HERE.parent)
        lines, first = inspect.getsourcelines(found)
    except (TypeError, OSError, ValueError):
        return None
    return f"{SOURCE}/blob/main/{file}#L{first}-L{first + len(lines) - 1}"


_WRITTEN_OUT = {
    stringify_annotation(alias, "smart"): name
    for name, alias in (
        ("ArrayLike", ArrayLike),
        ("ArrayLike", npt.ArrayLike),
        ("DTypeLike", DTypeLike),
        ("NDArray", npt.NDArray[np.float64]),
    )
}


_MEMBERS = """\
   :members:
   :inherited-members: Distribution
   :exclude-members: tree_flatten, tree_unflatten, gather_pytree_data_fields, support
"""


def _lists() -> dict[str, str]:
    """What stands on the pages for the functions and classes that the declarations name."""
    whole = [d for d in DECLARATIONS if not d.limit_of]
    classes, originals = [d.class_name for d in whole], [d.original for d in whole if d.original]
    return {
        "%log_probs%": _listed("function", [f"{d.stem}_log_prob" for d in DECLARATIONS]),
        "%originals%": _listed("function", originals),
        "%classes%": _listed("class", classes, _MEMBERS),
        "%stems%": ", ".join(f"`{d.stem}_`" for d in DECLARATIONS),
        "%functions%": "\n".join(map(_functions_of, DECLARATIONS)),
    }


_KINDS = ("log_sf", "log_cdf", "sf", "cdf", "quantile", "log_interval", "entropy")


def _functions_of(declared: Declaration) -> str:
    """A section on the distribution functions of one distribution."""
    names = [f"{declared.stem}_{kind}" for kind in _KINDS]
    listed = _listed("function", [name for name in names if name in jaxnb.cdf.__all__])
    title = declared.under.removeprefix("a ")
    title = title[0].upper() + title[1:]
    module = ".. currentmodule:: jaxnb.cdf"
    return f"### {title}\n\n```{{eval-rst}}\n{module}\n\n{listed}\n```\n"


def _listed(kind: str, names: list[str], options: str = "") -> str:
    return "\n".join(f".. auto{kind}:: {name}\n{options}" for name in names)


def _fill_in_lists(app: Sphinx, page: str, source: list[str]) -> None:
    for mark, text in _lists().items():
        source[0] = source[0].replace(mark, text)
    # The blank line that ends an expected output is for doctest, not for a reader.
    source[0] = source[0].replace("\n\n```\n", "\n```\n")


def _name_the_unions(
    app: Sphinx, what: str, name: str, of: object, options: object, signature: str, returned: str
) -> tuple[str, str] | None:
    """In signatures, say ArrayLike and NDArray and not what they consist of."""
    if not (signature or returned):
        return None
    return _with_aliases(signature or ""), _with_aliases(returned or "")


_ANY_ARRAY = re.compile(
    r"~?[\w.]*ndarray\[~?[\w.]*tuple\[[^]]*\], ~?[\w.]*dtype\[(\[[^][]*\]|[^][])*\]\]"
)


def _with_aliases(text: str) -> str:
    for written_out, alias in _WRITTEN_OUT.items():
        text = text.replace(written_out, alias)
    return _ANY_ARRAY.sub("NDArray", text)


def _one_signature_for_each_function() -> None:
    """Of an overloaded function, the one of its implementation: the others would repeat it."""
    analyze = ModuleAnalyzer.analyze

    def without_overloads(self: ModuleAnalyzer) -> None:
        analyze(self)
        self.overloads = {}

    ModuleAnalyzer.analyze = without_overloads  # type: ignore[method-assign]


def _plain_where_unknown(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Names in single backticks that are not objects, such as arguments, are set as code."""
    by_default_role = node.get("reftype") == "obj" and node.get("refdomain") == "py"
    return content if by_default_role else None


def _lazy_properties_as_properties() -> None:
    """NumPyro's lazy properties would be listed as methods to call."""
    for name in jaxnb.distributions.__all__:
        for owner in getattr(jaxnb, name).__mro__:
            for attribute, value in list(vars(owner).items()):
                if isinstance(value, lazy_property):
                    setattr(owner, attribute, property(value.wrapped))


# A browser may end a line behind the hyphen of a number such as 1e-8 or -inf.
_WITH_HYPHEN = re.compile(r"([\d.]+e-\d+|(?<!\w)-inf\b)")


def _keep_numbers_whole(app: Sphinx, doctree: nodes.document) -> None:
    for text in list(doctree.findall(nodes.Text)):
        parts = _WITH_HYPHEN.split(text)
        if len(parts) > 1 and isinstance(text.parent, nodes.paragraph | nodes.emphasis):
            numbers = [nodes.inline("", part, classes=["number"]) for part in parts[1::2]]
            between = [nodes.Text(part) for part in parts[::2]]
            found = [n for pair in zip_longest(between, numbers) for n in pair if n]
            text.parent.replace(text, found)


# Pages that were merged into others: their addresses lead there.
_MOVED = {
    "api/datasets": "api/io.html#data",
    "api/index": "api/likelihoods.html",
    "api/plots": "api/io.html#plots",
    "api/random": "api/cdf.html#draws",
    "api/residuals": "api/cdf.html#residuals",
    "changes": "citing.html#changes",
    "faq": "when.html",
    "from_numpyro": "numpyro.html",
    "from_scvi": "torch.html",
    "from_torch": "torch.html",
    "limits": "when.html#what-jaxnb-does-not-do",
    "notebooks/04_torch_bridge": "torch.html",
    "scale": "first_fit.html#more-cells-than-fit-into-memory",
}


def _redirect(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        for old, new in _MOVED.items():
            target = "../" * old.count("/") + new
            (pathlib.Path(app.outdir) / f"{old}.html").write_text(
                f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'
                f'<title>moved</title><a href="{target}">This page is now here.</a>\n'
            )


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    _lazy_properties_as_properties()
    _one_signature_for_each_function()
    app.connect("build-finished", _redirect)
    app.connect("source-read", _fill_in_lists)
    app.connect("doctree-read", _keep_numbers_whole)
    app.connect("missing-reference", _plain_where_unknown)
    app.connect("autodoc-process-signature", _name_the_unions)
