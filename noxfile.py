"""The commands of CONTRIBUTING.md, each in an environment of its own: `nox -l` lists them."""

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "venv"
PINNED = ("-c", "constraints.txt")
FLOAT64 = ("special", "likelihoods/test_edges.py", "random", "fit")


def _install(session: nox.Session, *what: str) -> None:
    session.install("pip>=25.1")  # the first release that reads dependency groups
    session.install(*PINNED, *what)


@nox.session
def tests(session: nox.Session) -> None:
    """The quick tests on two processes; arguments go to pytest."""
    _install(session, "-e", ".[test,torch]")
    session.run("pytest", "-n", "2", *session.posargs, env={"OMP_WAIT_POLICY": "PASSIVE"})


@nox.session
def float64(session: nox.Session) -> None:
    """The numerical tests in float64, under strict promotion where NumPyro is not involved."""
    _install(session, "-e", ".[test]")
    settings = {"JAX_ENABLE_X64": "1"}
    strict = settings | {"JAX_NUMPY_DTYPE_PROMOTION": "strict"}
    session.run("pytest", "-n", "2", *(f"tests/{name}" for name in FLOAT64), env=strict)
    session.run("pytest", "-n", "2", "tests/distributions", env=settings)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, types and layers."""
    _install(session, "-e", ".[test,torch]", "--group", "lint")
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
def build(session: nox.Session) -> None:
    """The distributions for PyPI, in dist."""
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", "dist/*")
