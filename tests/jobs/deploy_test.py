"""The files under docs/deploy have the form that systemd, podman and Kubernetes ask for, and name options that exist."""
import configparser
import re

from harness import ROOT, case, text_of

DEPLOY = ROOT / "docs" / "deploy"


def check_options(c, where, words):
    help_text = text_of(c.program.run("worker", "--help").stdout)
    for word in words:
        if word.startswith("--"):
            c.holds(f"{where}: etl-uniprot worker has the option {word}", word in help_text)


def systemd(c):
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    unit.optionxform = str
    unit.read_string((DEPLOY / "etl-uniprot-worker@.service").read_text())
    c.equal("systemd: sections", ["Unit", "Service", "Install"], unit.sections())
    start = unit["Service"]["ExecStart"].split()
    c.holds("systemd: command", start[0].startswith("/") and start[1] == "worker", start)
    check_options(c, "systemd", start)
    timeout = int(unit["Service"]["TimeoutStopSec"])
    c.holds("systemd: TimeoutStopSec is longer than the drain deadline", timeout > 25, timeout)


def podman(c):
    known = {"FROM", "RUN", "COPY", "USER", "ENTRYPOINT"}
    text = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    c.equal("Containerfile: other instructions", [], [line for line in lines if line.split()[0] not in known])
    c.holds("Containerfile: first line", lines[0].startswith("FROM "), lines[0])
    c.equal("Containerfile: last line", 'ENTRYPOINT ["etl-uniprot"]', lines[-1])


def kubernetes(c):
    manifest = (DEPLOY / "kubernetes.yaml").read_text()
    c.lacks(manifest, "\t")
    check_options(c, "Kubernetes", re.findall(r'"([^"]+)"', re.search(r'args: \[(.*)\]', manifest)[1]))
    try:
        import yaml
    except ImportError:
        return
    deployment = yaml.safe_load(manifest)
    spec = deployment["spec"]["template"]["spec"]
    c.equal("Kubernetes: kind", ("Deployment", "apps/v1"), (deployment["kind"], deployment["apiVersion"]))
    c.equal("Kubernetes: labels", deployment["spec"]["selector"]["matchLabels"],
            deployment["spec"]["template"]["metadata"]["labels"])
    c.equal("Kubernetes: volumes", {v["name"] for v in spec["volumes"]},
            {m["name"] for m in spec["containers"][0]["volumeMounts"]})
    c.holds("Kubernetes: terminationGracePeriodSeconds is longer than the drain deadline",
            spec["terminationGracePeriodSeconds"] > 25)


@case
def deploy(c):
    for check in (systemd, podman, kubernetes):
        check(c)
