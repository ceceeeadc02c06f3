#!/usr/bin/env python3
"""The files under docs/deploy have the form that systemd, podman and Kubernetes ask for, and name options that exist.

    deploy_test.py ROOT PROGRAM
"""
import configparser
import pathlib
import re
import subprocess
import sys

root, program = pathlib.Path(sys.argv[1]), sys.argv[2]
deploy = root / "docs" / "deploy"
help_text = subprocess.run([program, "worker", "--help"], check=True, capture_output=True, text=True).stdout


def check_options(where, words):
    for word in words:
        if word.startswith("--"):
            assert word in help_text, f"{where}: etl-uniprot worker has no option {word}"


unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
unit.optionxform = str
unit.read_string((deploy / "etl-uniprot-worker@.service").read_text())
assert unit.sections() == ["Unit", "Service", "Install"], unit.sections()
start = unit["Service"]["ExecStart"].split()
assert start[0].startswith("/") and start[1] == "worker", start
check_options("systemd", start)
assert int(unit["Service"]["TimeoutStopSec"]) > 25, "less than the drain deadline"

known = {"FROM", "RUN", "COPY", "USER", "ENTRYPOINT"}
text = re.sub(r"\\\n", " ", (deploy / "Containerfile").read_text())
lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
assert all(line.split()[0] in known for line in lines), lines
assert lines[0].startswith("FROM ") and lines[-1] == 'ENTRYPOINT ["etl-uniprot"]'

manifest = (deploy / "kubernetes.yaml").read_text()
assert "\t" not in manifest
args = re.search(r'args: \[(.*)\]', manifest)[1]
check_options("Kubernetes", re.findall(r'"([^"]+)"', args))
try:
    import yaml
except ImportError:
    yaml = None
if yaml:
    deployment = yaml.safe_load(manifest)
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["kind"] == "Deployment" and deployment["apiVersion"] == "apps/v1"
    assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert {v["name"] for v in spec["volumes"]} == {m["name"] for m in spec["containers"][0]["volumeMounts"]}
    assert spec["terminationGracePeriodSeconds"] > 25
print("deploy: ok")
