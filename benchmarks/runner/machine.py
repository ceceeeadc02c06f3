"""Describes the machine and the build, without names of hosts, users or folders."""

import datetime
import json
import os
import platform
import subprocess


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def _cpu_details():
    """Model number and virtualisation: the model name of a virtual machine often says little."""
    details = {}
    wanted = {"CPU family": "family", "Model": "model", "Stepping": "stepping", "Hypervisor vendor": "hypervisor",
              "L1d cache": "l1d", "L2 cache": "l2", "L3 cache": "l3"}
    try:
        text = subprocess.run(["lscpu"], capture_output=True, text=True, check=True,
                              env={**os.environ, "LC_ALL": "C"}).stdout
    except (OSError, subprocess.CalledProcessError):
        return details
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in wanted:
            details[wanted[key.strip()]] = value.strip()
    return details


def _distribution():
    try:
        with open("/etc/os-release", encoding="utf-8") as release:
            for line in release:
                if line.startswith("PRETTY_NAME="):
                    return line.split("=", 1)[1].strip().strip('"')
    except OSError:
        pass
    return platform.system()


def _memory_gib():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def describe(executable):
    """The machine, and what the executable says about its compiler, flags and rivals."""
    build = json.loads(subprocess.run([executable, "--describe"], capture_output=True, text=True, check=True).stdout)
    if "flags" in build:
        build["flags"] = " ".join(flag for flag in build["flags"].split() if "/" not in flag)
    return {
        "cpu": _cpu_model(),
        "cpu_details": _cpu_details(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "system": _distribution(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "load_average": round(os.getloadavg()[0], 2),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "build": build,
    }


def one_line(machine):
    build = machine["build"]
    return (f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, Linux {machine['kernel']}, "
            f"{build['compiler']} {build.get('flags', '')}, {machine['date']}, load {machine['load_average']}")
