"""All sections, each in a process of its own within its share of the time, as one report."""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from importlib import metadata

HERE = pathlib.Path(__file__).resolve().parent
# In the order of importance, with the share of the time that is left to them all.
SECTIONS = {
    "accuracy": 2.0,
    "hazards": 2.0,
    "likelihood_speed": 3.0,
    "training": 2.0,
    "sampler_speed": 2.0,
    "goodness": 2.0,
    "sanitizer": 2.0,
}
PACKAGES = ("jaxnb", "jax", "jaxlib", "numpyro", "torch", "numpy", "scipy")


def run_section(name: str, path: str, *, tiny: bool) -> None:
    """In this process."""
    from setting import CPU, GPU, TINY, Lines, on_gpu  # JAX and torch only here

    lines = Lines(path, name)
    sizes = TINY if tiny else GPU if on_gpu() else CPU
    lines.attempt("the section", lambda: importlib.import_module(name).run(lines, sizes))


def command(name: str, path: pathlib.Path, *, tiny: bool) -> list[str] | None:
    """That runs a section; None where there is no tool for it."""
    mine = [sys.executable, str(HERE / "report.py"), "--lines", str(path)]
    if name != "sanitizer":
        return [*mine, "--section", name, *(["--tiny"] if tiny else [])]
    found = shutil.which("compute-sanitizer")
    if found is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    return [found, "--error-exitcode", "9", *mine, "--section", "hazards", "--tiny"]


def line(device: str, section: str, what: str, value: object, passed: bool | None) -> dict:
    """One that this process writes about another."""
    about = {"device": device, "section": section, "what": what, "value": value}
    return {**about, "unit": "", "passed": passed}


def supervised(name: str, folder: pathlib.Path, limit: float, device: str, *, tiny: bool) -> list:
    """The lines of a section and how its process ended."""
    path = folder / f"{name}.jsonl"
    path.unlink(missing_ok=True)
    started = command(name, path, tiny=tiny)
    if started is None:
        return [line(device, name, "the section", "not run: no compute-sanitizer or no GPU", None)]
    begin = time.monotonic()
    with open(folder / f"{name}.log", "w") as log:
        try:
            code = subprocess.run(started, stdout=log, stderr=log, timeout=limit).returncode
            end = f"exit status {code}"
        except subprocess.TimeoutExpired:
            code, end = 1, "stopped at its time limit"
    lines = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    device = lines[0]["device"] if lines else device
    for found in lines:
        found["section"] = name
    took = f"{end} after {time.monotonic() - begin:.0f} s of at most {limit:.0f}"
    return [*lines, line(device, name, "the process", took, code == 0)]


def markdown(lines: list[dict], versions: str) -> str:
    """A table, with the device in each line."""

    def shown(value: object) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")

    rows = [
        f"| {a['device']} | {a['section']} | {a['what']} | {shown(a['value'])} {a['unit']} | "
        f"{ {True: 'pass', False: '**FAIL**', None: ''}[a['passed']] } |"
        for a in lines
    ]
    head = ["| device | section | what | value | |", "|---|---|---|---|---|"]
    return "\n".join([versions, "", *head, *rows, ""])


def first_device() -> str:
    """By a process of its own, so that this one holds no memory of a GPU."""
    code = "import setting; print(setting.device_name())"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, timeout=120
        )
        return asked.stdout.strip() or "unknown: " + asked.stderr.strip()[-200:]
    except subprocess.TimeoutExpired:
        return "unknown: no answer"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("accelerator-report"))
    parser.add_argument("--budget", type=float, default=540.0, help="seconds in all")
    parser.add_argument("--tiny", action="store_true", help="sizes for a test of the script")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--section", help=argparse.SUPPRESS)
    parser.add_argument("--lines", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.section:
        run_section(options.section, options.lines, tiny=options.tiny)
        return
    begin = time.monotonic()
    options.folder.mkdir(parents=True, exist_ok=True)
    device, lines = first_device(), []
    versions = ", ".join(f"{p} {_version(p)}" for p in PACKAGES)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    for place, name in enumerate(options.only):
        left = options.budget - (time.monotonic() - begin)
        limit = left * SECTIONS[name] / sum(SECTIONS[n] for n in options.only[place:])
        lines += supervised(name, options.folder, max(limit, 5.0), device, tiny=options.tiny)
        # After every section, so that there is a report whenever this process is stopped.
        head = f"{device}; {versions}; Python {sys.version.split()[0]}; {date}"
        (options.folder / "report.md").write_text(markdown(lines, head))
        (options.folder / "report.json").write_text(json.dumps({"head": head, "lines": lines}))
    print(options.folder / "report.md")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    main()
