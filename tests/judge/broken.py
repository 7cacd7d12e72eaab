"""Proves that the judge can fail: takes good sets of results, breaks each in one way, and demands that the
check which is there for it says so.

broken.py GOOD [--only WORD]   GOOD is a folder with good.json, as `tests/it/judge.rs` writes it.
Exit 0: every good set is good, also when written again by pydicom, and every broken one is caught by its check.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from pydicom import config

import judge
from defects import DEFECTS
from reading import Thing, parse, read
from tools import Tools

config.settings.writing_validation_mode = config.IGNORE
PICTURES = ("sc", "heat", "seg")


class Set:
    """A good set whose objects a defect may change; what it touched is written again."""

    def __init__(self, case, films, things):
        self.case, self.films = case, films
        self.things = {t.name.split("-")[0]: t for t in things}
        self.touched = {}
        self.bytes = {}
        self.gone = set()

    def __getitem__(self, kind):
        """The object's data set, to be changed."""
        if kind not in self.touched:
            self.touched[kind] = parse(self.things[kind].raw)
        return self.touched[kind]

    def film(self, number=0):
        return self.films[number].data

    def raw(self, kind, change):
        """Changes the file's bytes instead."""
        self.bytes[kind] = change(self.bytes.get(kind) or self.things[kind].raw)

    def drop(self, kind):
        self.gone.add(kind)

    def objects(self):
        """The objects as they are now. Pictures that the defect leaves alone are left out: they cost time and tell nothing."""
        for kind, thing in self.things.items():
            if kind in self.gone or (kind in PICTURES and kind not in self.touched):
                continue
            if kind in self.bytes:
                yield Thing(thing.path, self.bytes[kind], None)
            elif kind in self.touched:
                raw = written(self.touched[kind])
                yield Thing(thing.path, raw, parse(raw))
            else:
                yield thing

    def judged(self, folder, tools):
        # Both captures or none: the judge counts them together.
        captures = self.case.heat and {"sc", "heat"} & ({*self.touched} | self.gone)
        things = list(self.objects()) + ([self.things["sc"]] if captures and "sc" not in self.touched else [])
        expect = [k for k in self.case.expect if k not in PICTURES or k in self.touched or k in self.gone or (k == "sc" and captures)]
        case = replace(self.case, films_of=self.films, expect=expect)
        if self.bytes:
            # Bytes that may be no DICOM any more: read as files, as the judge meets them.
            folder.mkdir()
            for thing in things:
                (folder / thing.name).write_bytes(thing.raw)
            return judge.judge(replace(case, results=[folder]), tools)
        return judge.judge(replace(case, things=things), tools)


def written(data):
    target = BytesIO()
    data.save_as(target, enforce_file_format=False)
    return target.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("good", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    begin = time.monotonic()
    tools = Tools()
    sets = {}
    wrong = []
    for entry in json.loads((asked.good / "good.json").read_text()):
        case = judge.Case(**entry)
        films = [f for f in read(case.sources) if "Rows" in f.data]
        sets[case.name] = (case, films, read(case.results))
        wrong += [f"good set {case.name}: {fault}" for fault in judge.judge(case, tools)]
    counted = 0
    for name, (case, films, things) in sets.items():
        again = [Thing(t.path, raw, parse(raw)) for t in things for raw in [written(parse(t.raw))]]
        rewritten = replace(case, films_of=films, things=again)
        wrong += [f"good set {name}, written again: {fault}" for fault in judge.judge(rewritten, tools)]
    for defect in DEFECTS:
        if asked.only not in defect.name:
            continue
        counted += 1
        case, films, things = sets[defect.of]
        broken = Set(case, films, things)
        defect.make(broken)
        found = broken.judged(tools.work / defect.name, tools)
        checks = sorted({fault.check for fault in found})
        if defect.check not in checks:
            wrong.append(f"{defect.name}: not caught by {defect.check}, but by {checks or 'nothing'}")
    for line in wrong:
        print(line)
    print(f"{len(sets)} good sets, {counted} broken ones, {len(wrong)} not as expected, {tools.starts} programs started, "
          f"{time.monotonic() - begin:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
