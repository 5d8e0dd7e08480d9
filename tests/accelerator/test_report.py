"""The script for an accelerator, on the CPU."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason='needs torch: pip install "jaxnb[torch]"')

SCRIPT = pathlib.Path(__file__).parent / "run.sh"


def report(folder, *options, budget):
    environment = {**os.environ, "PYTHON": sys.executable, "BUDGET": str(budget)}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    command = [str(SCRIPT), str(folder), "--tiny", *options]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=budget + 60)
    lines = json.loads((folder / "report.json").read_text())["lines"]
    rows = (folder / "report.md").read_text().splitlines()[4:]
    assert len(rows) == len(lines)
    assert all(
        line["device"] and line["device"] in row for line, row in zip(lines, rows, strict=True)
    )
    return lines


@pytest.mark.slow
def test_a_section_at_its_time_limit_does_not_stop_the_others(tmp_path):
    lines = report(tmp_path, "--only", "accuracy", "sanitizer", budget=1)
    (process,) = [line for line in lines if line["what"] == "the process"]
    assert "time limit" in process["value"]
    assert process["passed"] is False
    assert lines[-1]["section"] == "sanitizer"
    assert lines[-1]["value"].startswith("not run")


@pytest.mark.slow
def test_every_section(tmp_path):
    lines = report(tmp_path, budget=1200)
    assert not [line for line in lines if line["passed"] is False]
    sections = {line["section"] for line in lines}
    assert sections > {"accuracy", "hazards", "likelihood_speed", "training", "goodness"}
