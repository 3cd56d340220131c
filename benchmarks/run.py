"""Runs the benchmarks: `python benchmarks/run.py [NAME …] [--scale 0.1] [--runs 5] [--json]`.

Every variant runs in a fresh process, variants in turn (A B A B), and the median counts. Data is made from a seed in a
temporary directory that is gone afterwards. Exit code 1 where variants disagree; a missed target is only shown, since
targets are meant for a quiet machine with two cores and for scale 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from measure import Benchmark, Median, peak_mb

NAMES = ("start", "intake", "collector", "serve", "profiles", "push", "mock", "mock_search", "together", "similar")
MODULES = {"together": "related", "similar": "related"}
GROUPS = {"related": ("together", "similar")}
PREPARE = "prepare"
HERE = Path(__file__).parent


def main() -> int:
    """Run what the command line names."""
    known = ", ".join((*NAMES, *GROUPS))
    parser = argparse.ArgumentParser(description="Benchmarks; the docstring of each module here says how to read it")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {known}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full amount of data")
    parser.add_argument("--runs", type=int, help="runs per variant")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "PLACE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = [name for asked in given.names or NAMES for name in GROUPS.get(asked, (asked,))]
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {known}")
    if given.one:
        return one(names[0], *given.one, given.scale)
    load = os.getloadavg()[0]
    reports = [run(benchmark(name), given.scale, given.runs, quiet=given.json) for name in names]
    if given.json:
        print(json.dumps({"scale": given.scale, "load": load, "cpus": os.cpu_count(), "benchmarks": reports}, indent=1))
    else:
        print(f"\nload average at the start {load:.1f} on {os.cpu_count()} cores, scale {given.scale:g}")
    return 1 if any(report.get("equal") is False for report in reports) else 0


def benchmark(name: str) -> Benchmark:
    """Load one benchmark."""
    module = importlib.import_module(MODULES.get(name, name))
    found: Benchmark = getattr(module, name.upper() if name in MODULES else "BENCHMARK")
    return found


def run(asked: Benchmark, scale: float, runs: int | None, *, quiet: bool) -> dict[str, Any]:
    """Run one benchmark and show its table."""
    if why := asked.missing():
        if not quiet:
            print(f"\n{asked.name}: skipped, {why}")
        return {"name": asked.name, "skipped": why}
    taken: dict[str, list[dict[str, Any]]] = {variant: [] for variant in asked.variants}
    with tempfile.TemporaryDirectory(prefix="algosync-bench-") as place:
        _child(asked.name, PREPARE, place, scale)
        for _ in range(runs or asked.runs):
            for variant in asked.variants:
                taken[variant].append(_measured(asked.name, variant, place, scale))
    medians = {variant: _median(several) for variant, several in taken.items()}
    results = [several[0]["result"] for several in taken.values() if several[0]["result"] is not None]
    report: dict[str, Any] = {
        "name": asked.name,
        "title": asked.title,
        "runs": runs or asked.runs,
        "equal": all(result == results[0] for result in results) if len(results) > 1 else None,
        "variants": {v: {**_document(m), "cpu_runs": [o["cpu"] for o in taken[v]]} for v, m in medians.items()},
    }
    if asked.target:
        report["target"], report["reached"] = asked.target(medians)
    if not quiet:
        _show(asked, report, medians)
    return report


def one(name: str, variant: str, place: str, scale: float) -> int:
    """Run one variant in this process and say what it did, as one line of JSON."""
    asked = benchmark(name)
    if variant == PREPARE:
        asked.prepare(Path(place), scale)
        return 0
    outcome = asked.variants[variant](Path(place), scale)
    clock = outcome.clock
    document = {"units": outcome.units, "result": outcome.result, "peak_mb": outcome.peak_mb or peak_mb()}
    print(json.dumps(document | {"cpu": clock.cpu, "wall": clock.wall, "p99_ms": outcome.p99_ms}))
    return 0


def _measured(name: str, variant: str, place: str, scale: float) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_child(name, variant, place, scale).splitlines()[-1])
    return found


def _child(name: str, variant: str, place: str, scale: float) -> str:
    command = [sys.executable, str(HERE / "run.py"), name, "--scale", str(scale), "--one", variant, place]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=False)
    if done.returncode:
        sys.exit(f"{name}, {variant} failed:\n{done.stderr}")
    return done.stdout.strip()


def _median(several: list[dict[str, Any]]) -> Median:
    return Median(
        cpu=median(one["cpu"] for one in several),
        wall=median(one["wall"] for one in several),
        peak_mb=median(one["peak_mb"] for one in several),
        units=several[0]["units"],
        p99_ms=median(one["p99_ms"] for one in several),
    )


def _document(found: Median) -> dict[str, Any]:
    latency = {"p99_ms": round(found.p99_ms, 2)} if found.p99_ms else {}
    return latency | {
        "cpu_s": round(found.cpu, 3),
        "wall_s": round(found.wall, 3),
        "peak_mb": round(found.peak_mb),
        "units": found.units,
        "per_wall_s": round(found.rate),
    }


def _show(asked: Benchmark, report: dict[str, Any], medians: dict[str, Median]) -> None:
    base = next(iter(medians.values()))
    width = max(len(variant) for variant in medians)
    print(f"\n{asked.name}: {asked.title} (median of {report['runs']})")
    print(f"  {'':{width}}  {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {asked.unit + '/s':>14} {'CPU ratio':>10}")
    for variant, found in medians.items():
        ratio = f"{found.cpu / base.cpu:10.2f}" if base.cpu else f"{'':10}"
        numbers = f"{found.cpu:8.2f} {found.wall:8.2f} {found.peak_mb:8.0f} {found.rate:14,.0f}"
        print(f"  {variant:{width}}  {numbers} {ratio}")
    if report["equal"] is not None:
        print("  results are equal" if report["equal"] else "  RESULTS DIFFER")
    if "target" in report:
        print(f"  {report['target']}: {'reached' if report['reached'] else 'NOT reached'}")


if __name__ == "__main__":
    sys.exit(main())
