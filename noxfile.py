"""The commands of CONTRIBUTING.md, each in an environment of its own: `nox -l` lists them."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "venv"
PINNED = ("-c", "constraints.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Under strict promotion; NumPyro itself does not run under it.
STRICT = ("special", "likelihoods/test_edges.py", "random", "fit")
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}

# What the files of pinned versions are for, and how uv is to choose those versions.
CONSTRAINTS = {
    "constraints.txt": (
        "every version that a set-up of this repository installs, on Python 3.11",
        ("--python-version", "3.11.7", "--extra", "test", "--extra", "torch", "--group", "dev"),
    ),
    "constraints-newest.txt": (
        "the newest versions of what the tests need, on Python 3.13, without torch",
        ("--python-version", "3.13", "--extra", "test"),
    ),
    "constraints-lowest.txt": (
        "the lowest versions that pyproject.toml allows, on Python 3.11, without torch",
        ("--python-version", "3.11.7", "--extra", "test", "--resolution", "lowest-direct"),
    ),
}


def _install(session: nox.Session, *what: str, pins: tuple[str, ...] = PINNED) -> None:
    session.install("pip>=25.1")  # the first release that reads dependency groups
    session.install(*pins, *what)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of every change, on two processes; arguments go to pytest."""
    _install(session, "-e", ".[test,torch]")
    session.run("pytest", "-n", "2", *session.posargs, env=PASSIVE)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The same with the newest versions of everything; on Python 3.13, those that are pinned."""
    pins = ("-c", "constraints-newest.txt") if session.python == "3.13" else ()
    _install(session, "-e", ".[test]", pins=pins)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The same with the lowest versions; their warnings about each other are no errors."""
    _install(session, "-e", ".[test]", pins=("-c", "constraints-lowest.txt"))
    session.run("pytest", "-n", "2", "-W", "default", *session.posargs)


@nox.session
def float64(session: nox.Session) -> None:
    """The numerical tests in float64, under strict promotion where NumPyro is not involved."""
    _install(session, "-e", ".[test]")
    settings = {"JAX_ENABLE_X64": "1"}
    strict = settings | {"JAX_NUMPY_DTYPE_PROMOTION": "strict"}
    session.run("pytest", "-n", "2", *(f"tests/{name}" for name in STRICT), env=strict)
    session.run("pytest", "-n", "2", "tests/distributions", env=settings)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests of every night: long statistics and whole data."""
    _install(session, "-e", ".[test,torch]")
    session.run("pytest", "-n", "2", "-m", "slow", *session.posargs, env=PASSIVE)


@nox.session
def mutations(session: nox.Session) -> None:
    """Whether the tests notice planted faults; arguments go to `tests/mutations`."""
    _install(session, "-e", ".[test,torch]")
    session.run("python", "tests/mutations", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, types and layers."""
    _install(session, "-e", ".[test,torch]", "--group", "lint")
    session.run("python", "-m", "jaxnb._generate", "--check")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in docs/_build/html, and a check of its links."""
    _install(session, "-e", ".[plot,io,glm,torch]", "--group", "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "docs", "docs/_build/html")
    session.run("python", "docs/check_site.py")


@nox.session
def constraints(session: nox.Session) -> None:
    """Write the three files of pinned versions anew; `-- --no-upgrade` keeps what still fits."""
    session.install(*PINNED, "uv")
    upgrade = () if "--no-upgrade" in session.posargs else ("--upgrade",)
    for name, (purpose, options) in CONSTRAINTS.items():
        command = ("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", *upgrade)
        session.run(*command, *options, "pyproject.toml", "-o", name)
        file = Path(name)
        header = f"# With pip's -c: {purpose}.\n# To renew: nox -s constraints\n"
        file.write_text(header + file.read_text())


@nox.session
def build(session: nox.Session) -> None:
    """The distributions for PyPI, in dist."""
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", "dist/*")
