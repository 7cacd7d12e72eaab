"""Judges result objects against their films. Our own judge: files, identity, report, presentation state, capture,
key objects, segmentation, and the same regions everywhere.

judge.py SOURCE RESULTS [--truth FILE] [--expect sr,gsps] [--heat] [--skipped] [--before DIR] [--original DIR] [--no-tools] [--json]
judge.py --list FILE.json     many studies in one process: a list of {"name", "sources", "results", "truth", ...}

--truth    JSON list of {"code", "box": [x0, y0, x1, y1], "min_iou", "sop_instance_uid"}
--expect   the kinds that must be there, and no others: sr, gsps, sc, kos, seg; gsps, kos and seg only where the
           report has something for them
--heat     each film with regions has a second capture, with a heat map
--skipped  the report says why nothing was analysed
--before   results of the revision before: the report must name the one there
--original results that a report in an older class was made from
Exit 0: no fault. 1: one line for each, `CHECK file: text`. 2: it cannot be judged.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import capture
import files
import identity
import report
import segments
import selection
import state
import truth as known_boxes
from faults import Faults
from reading import Study, read
from tools import Missing, Tools


@dataclass
class Case:
    """What is judged: where films and results lie, and what is known of them."""

    sources: list
    results: list
    name: str = ""
    truth: list = field(default_factory=list)
    expect: list = None
    heat: bool = False
    skipped: bool = False
    before: list = field(default_factory=list)
    original: list = field(default_factory=list)
    films_of: object = None
    things: object = None


class Nothing(Exception):
    """No film, or no result."""


def judge(case, tools):
    """The faults of one study, sorted."""
    faults = Faults()
    films = case.films_of or [f for f in read(case.sources) if "Rows" in f.data]
    objects = case.things if case.things is not None else read(case.results, faults)
    if not films or not (objects or faults.found):
        raise Nothing(f"no film in {case.sources}" if not films else f"no object in {case.results}")
    study = Study({f.sop: f for f in films}, objects, read(case.before), read(case.original))
    files.uids(study, faults)
    files.series(study, faults)
    identity.check(study, faults)
    shown = {"gsps": [], "sc": [], "heat": [], "seg": []}
    # The report first: the others are held against its regions.
    for thing in sorted(objects, key=lambda t: t.kind != "sr"):
        files.check(thing, tools, faults)
        if thing.kind == "sr":
            report.check(thing, study, case.skipped, tools, faults)
        elif thing.kind == "gsps":
            shown["gsps"].append(state.check(thing, study, tools, faults))
        elif thing.kind == "sc":
            shown["heat" if capture.is_heat_map(thing) else "sc"].append(capture.check(thing, study, faults))
        elif thing.kind == "kos":
            selection.check(thing, study, tools, faults)
        elif thing.kind == "seg":
            shown["seg"].append(segments.check(thing, study, faults))
    kinds(case, study, shown, faults)
    known_boxes.check(case.truth, study, faults)
    return sorted(faults.found)


def kinds(case, study, shown, faults):
    """Each kind that is wanted, as often as there is something for it."""
    if case.expect is None:
        return
    with_regions = sorted({r.film for r in study.regions.values()})
    heated = with_regions if case.heat and "sc" in case.expect else []
    wanted = {"sr": 1, "gsps": len(with_regions), "sc": len(study.analyzed) + len(heated), "kos": int(bool(selection.present_films(study))),
              "seg": len(with_regions)}
    if case.skipped:
        wanted = {"sr": 1}
    for kind in ("sr", "gsps", "sc", "kos", "seg"):
        there, due = len(study.of_kind(kind)), wanted.get(kind, 0) if kind in case.expect else 0
        faults.want(there == due, "KINDS", "-", f"{there} {kind} object(s), {due} expected")
    for kind, films in (("gsps", with_regions), ("seg", with_regions), ("sc", sorted(study.analyzed))):
        if kind in case.expect and all(shown[kind]):
            faults.want(sorted(shown[kind]) == films, "KINDS", "-", f"the {kind} objects are not one for each film that needs one")
    if all(shown["heat"]):
        faults.want(sorted(shown["heat"]) == heated, "KINDS", "-", "the heat maps are not one for each film with regions")


def warm(cases, tools):
    """Starts the programs for all objects side by side: what they say is kept."""
    def ask(case):
        for thing in read(case.results):
            tools.lines("dciodvfy", thing, "-new")
            if thing.kind in ("sr", "kos"):
                tools.lines("dsrdump", thing)
    with ThreadPoolExecutor() as pool:
        list(pool.map(ask, cases))


def listed(path):
    for entry in json.loads(Path(path).read_text()):
        yield Case(**entry)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path)
    parser.add_argument("results", nargs="?", type=Path)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--expect")
    parser.add_argument("--heat", action="store_true")
    parser.add_argument("--skipped", action="store_true")
    parser.add_argument("--before", type=Path, action="append", default=[])
    parser.add_argument("--original", type=Path, action="append", default=[])
    parser.add_argument("--no-tools", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        tools = None if asked.no_tools else Tools()
        if asked.list:
            cases = list(listed(asked.list))
        elif asked.source and asked.results:
            known = json.loads(asked.truth.read_text()) if asked.truth else []
            expect = asked.expect.split(",") if asked.expect else None
            cases = [Case([asked.source], [asked.results], "", known, expect, asked.heat, asked.skipped, asked.before,
                          asked.original)]
        else:
            parser.error("name a source and its results, or a list")
        if tools and len(cases) > 1:
            warm(cases, tools)
        found = [(case.name, fault) for case in cases for fault in judge(case, tools)]
    except (Missing, Nothing) as error:
        print(error, file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps([{"study": name, **vars(fault)} for name, fault in found], indent=1))
    else:
        for name, fault in found:
            print(f"{name}: {fault}" if name else fault)
        print(f"{len(cases)} set(s) judged, {len(found)} fault(s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
