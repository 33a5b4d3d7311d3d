#!/usr/bin/env python3
"""Runs slither over src/ and holds what it finds to tools/slither.txt, which says why each finding stays.

A line of that file is `check | where | why`: `where` is the function, `Contract.function`, or `*` for all of them. A
finding without a line fails the run, and so does a line without a finding.
"""

import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = "cache/slither/out"


def build() -> None:
    environment = {**os.environ, "FOUNDRY_OUT": OUT, "FOUNDRY_CACHE_PATH": "cache/slither"}
    command = ["tools/forge", "build", "src", "--build-info", "--force"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def findings() -> set[tuple[str, str]]:
    report = ROOT / "cache/slither/report.json"
    report.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("slither")), ".", "--ignore-compile"]
    command += ["--foundry-out-directory", OUT, "--filter-paths", "node_modules|src/reference"]
    command += ["--exclude-informational", "--exclude-optimization", "--json", str(report)]
    # It looks for forge on the path. It ends with a failure when there are findings, too: the report tells.
    environment = {**os.environ, "PATH": f"{ROOT / 'tools'}:{os.environ['PATH']}"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if not report.exists():
        sys.exit(run.stderr)
    result = json.loads(report.read_text())
    if not result["success"]:
        sys.exit(result["error"])
    return {(found["check"], where(found)) for found in result["results"].get("detectors", [])}


def where(found: dict) -> str:
    """The function that a finding is in, or the variable that it is about."""
    element = found["elements"][0]
    fields = element.get("type_specific_fields", {})
    if element["type"] in ("function", "variable") and fields["parent"]["type"] == "contract":
        return f"{fields['parent']['name']}.{element['name']}"
    parent = fields["parent"]
    contract = parent["type_specific_fields"]["parent"]["name"]
    return f"{contract}.{parent['name']}"


def reasons() -> list[tuple[str, str]]:
    lines = (ROOT / "tools/slither.txt").read_text().splitlines()
    parts = [[part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#")]
    if any(len(part) != 3 or not part[2] for part in parts):
        sys.exit("tools/slither.txt: each line is `check | where | why`")
    return [(check, place) for check, place, _ in parts]


def main() -> None:
    build()
    found, known = findings(), reasons()
    matches = {
        one: [line for line in known if line[0] == one[0] and fnmatchcase(one[1], line[1])] for one in found
    }
    unexplained = sorted(one for one, lines in matches.items() if not lines)
    needless = sorted(set(known) - {line for lines in matches.values() for line in lines})
    for check, place in unexplained:
        print(f"not explained: {check} in {place}")
    for check, place in needless:
        print(f"found no more: {check} in {place}")
    if unexplained or needless:
        sys.exit(1)
    print(f"slither: {len(found)} findings, all explained in tools/slither.txt")


main()
