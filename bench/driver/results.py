# SPDX-License-Identifier: MIT
"""
The results of a run, and the file they are kept in: JSON as Google Benchmark writes it, so
that its tools read it, with more beside it under "nook".

A benchmark is called METRIC/N/PROGRAM. Each sample is an iteration, and min, median, mad
and the ends of the interval are aggregates. Bytes stand where those tools know only
times; "label" tells.
"""

import datetime
import json
import os
import platform

import stats

# The n of a floor that holds for all others as well.
FLOORS_FOR_ALL = (1, 2)


class Result:
    """One thing's rounds, and what they say; what was measured beside, where that was."""

    def __init__(self, metric, n, program, label, role, rounds, beside=()):
        self.metric, self.n, self.program = metric, n, program
        self.label, self.role, self.rounds, self.beside = label, role, rounds, beside
        self.summary = stats.Summary(rounds)
        self.ratio = stats.Ratio(rounds, beside) if any(beside) else None

    @property
    def unit(self):
        return unit_of(self.metric)


def unit_of(metric):
    return "bytes" if metric.endswith("bytes") else "ns"


class Run:
    """All results, and where they come from."""

    def __init__(self, results, machine, date, quick=False, rounds=0, skipped=None, what=None,
                 command=""):
        self.results = results
        self.machine, self.date, self.quick = machine, date, quick
        self.rounds = rounds
        self.skipped = skipped or {}  # "who: why" of what was not measured
        self.what = what or {}  # program: its whole description
        self.command = command  # what was typed

    def find(self, metric, n, program=None, role=None):
        for result in self.results:
            if (result.metric, result.n) == (metric, n) and \
                    program in (None, result.program) and role in (None, result.role):
                return result
        return None

    def floor(self, metric, n):
        """A floor for this n, or the one that holds for all."""
        found = (self.find(metric, one) for one in (n, *FLOORS_FOR_ALL))
        return next((result for result in found if result), None)

    def metrics(self):
        return list(dict.fromkeys(result.metric for result in self.results))

    def ns(self, metric, program=None):
        return sorted({r.n for r in self.results
                       if r.metric == metric and program in (None, r.program)})

    def programs(self, metric):
        """Those that measured it: own first, then variants, peers, floors."""
        order = {"own": 0, "variant": 1, "peer": 2, "floor": 3}
        found = {r.program: r for r in self.results if r.metric == metric}
        return sorted(found.values(), key=lambda r: (order[r.role], r.label.lower()))

    def peers(self, metric, n):
        """The peers' results, best first."""
        found = [r for r in self.results
                 if (r.metric, r.n) == (metric, n) and r.role == "peer"]
        return sorted(found, key=lambda r: r.summary.min)


def _first(path, start):
    try:
        with open(path, encoding="utf-8") as file:
            for text in file:
                if text.startswith(start):
                    return text.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def machine():
    """What one must know to compare figures; no name of the machine."""
    cores = os.cpu_count() or 0
    memory = _first("/proc/meminfo", "MemTotal").split()
    mhz = _first("/proc/cpuinfo", "cpu MHz")
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "architecture": platform.machine(),
        "cores": cores,
        "mhz": round(float(mhz)) if mhz else 0,
        "memory_gib": round(int(memory[0]) / 1048576) if memory else 0,
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "libc": " ".join(platform.libc_ver()),
        "load": round(os.getloadavg()[0], 2),
    }


def today():
    return datetime.datetime.now().astimezone().replace(microsecond=0).isoformat()


def from_things(all_things, **more):
    """A run out of what was measured; what could not be is told in `skipped`."""
    results = []
    skipped = dict(more.pop("skipped", {}))
    for thing in all_things:
        p = thing.program
        if thing.rounds:
            results.append(Result(thing.metric, thing.n, p.name, p.label, p.role, thing.rounds,
                                  thing.beside))
        if thing.cannot or thing.failed:
            skipped[f"{p.name} {thing.metric} {thing.n}"] = thing.cannot or thing.failed
    what = {thing.program.name: thing.program.what for thing in all_things}
    return Run(results, skipped=skipped, what=what, **more)


# --- the file

def _entry(result, family, **more):
    name = f"{result.metric}/{result.n}/{result.program}"
    entry = {"name": name, "family_index": family, "per_family_instance_index": 0,
             "run_name": name, "repetitions": result.summary.samples, "threads": 1}
    entry.update(more)
    entry["cpu_time"] = entry["real_time"]
    entry["time_unit"] = "ns"
    if result.unit != "ns":
        entry["label"] = result.unit
    return entry


def _entries(result, family):
    at = 0
    for number, samples in enumerate(result.rounds):
        for place, sample in enumerate(samples):
            more = {"beside": result.beside[number][place]} if result.ratio else {}
            yield _entry(result, family, run_type="iteration", repetition_index=at,
                         iterations=1, real_time=sample, round=number, **more)
            at += 1
    s = result.summary
    for aggregate in ("min", "median", "mad", "low", "high"):
        value = getattr(s, aggregate)
        if abs(value) == float("inf"):
            continue
        entry = _entry(result, family, run_type="aggregate", aggregate_name=aggregate,
                       aggregate_unit="time", iterations=s.samples, real_time=value)
        entry["name"] += "_" + aggregate
        yield entry


def to_json(run):
    m = run.machine
    return {
        "context": {
            "date": run.date, "executable": "dev bench", "num_cpus": m.get("cores", 0),
            "mhz_per_cpu": m.get("mhz", 0), "cpu_scaling_enabled": False, "caches": [],
            "load_avg": [m.get("load", 0)], "library_build_type": "release",
        },
        "benchmarks": [entry for family, result in enumerate(run.results)
                       for entry in _entries(result, family)],
        "nook": {
            "machine": m, "quick": run.quick, "rounds": run.rounds, "skipped": run.skipped,
            "what": run.what, "command": run.command,
            "programs": {r.program: {"label": r.label, "role": r.role} for r in run.results},
        },
    }


def from_json(data):
    programs = data["nook"]["programs"]
    found = {}
    for entry in data["benchmarks"]:
        if entry["run_type"] == "iteration":
            rounds = found.setdefault(entry["run_name"], {})
            rounds.setdefault(entry["round"], []).append(entry)
    results = []
    for name, rounds in found.items():
        metric, n, program = name.split("/", 2)
        each = [rounds[number] for number in sorted(rounds)]
        results.append(Result(metric, int(n), program, programs[program]["label"],
                              programs[program]["role"],
                              [[entry["real_time"] for entry in one] for one in each],
                              [[entry["beside"] for entry in one if "beside" in entry]
                               for one in each]))
    more = data["nook"]
    return Run(results, more["machine"], data["context"]["date"], more["quick"], more["rounds"],
               more["skipped"], more["what"], more.get("command", ""))


def write(run, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(to_json(run), file, indent=1)
        file.write("\n")


def read(path):
    with open(path, encoding="utf-8") as file:
        return from_json(json.load(file))
