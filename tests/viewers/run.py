"""Viewer test: films through a node into an archive, and what OHIF then shows. Started by scripts/viewers.sh."""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from pydicom import dcmread

import archive
import broken
import gsps
import ohif
import pages
import web
from failure import Failure, Slow
from running import Node, Orthanc

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/dicom-fixtures"
STUDIES = {
    "dx_portrait_mono2_14": ["dx_portrait_mono2_14"],
    "dx_landscape_mono1_12": ["dx_landscape_mono1_12"],
    "cr_portrait_japanese": ["cr_portrait_japanese"],
    "pa_ap": ["pa_ap_1_pa", "pa_ap_2_ap"],
    "pa_lateral": ["pa_lateral_1_pa", "pa_lateral_2_lateral"],
    "dx_normal": ["dx_normal"],
    "lateral_only": ["lateral_only"],
}
# What the archive is sent, unless told otherwise.
DELIVER = '"compat"'
# Pictures of docs/viewers.md.
KEPT = {"ohif-dx_portrait_mono2_14": "ohif-sr", "ohif-named": "ohif-sr-named", "ohif-capture": "ohif-sc",
        "ohif-lateral_only": "ohif-not-analyzed", "gsps-dx_landscape_mono1_12": "gsps"}
# Films beside the studies whose presentation states are drawn: every kind of look-up.
STATES = ["cr_signed_rescale", "dx_voi_lut", "cr_portrait_mono1_10_latin1", "cr_landscape_mono2_12_implicit",
          "cr_high_bits", "sc_dx_film"]


@dataclass
class Run:
    """The checks of one run and how they ended."""

    passed: int = 0
    failed: list = field(default_factory=list)

    @contextlib.contextmanager
    def check(self, name):
        begin = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001: any end but a good one is a failure of this check
            first = (str(error).strip().splitlines() or [""])[0]
            self.failed.append(name)
            print(f"FAIL {name}: {type(error).__name__}: {first[:400]}", flush=True)
        else:
            self.passed += 1
            print(f"ok   {name}, {time.monotonic() - begin:.0f} s", flush=True)


def uid_of(film):
    return str(dcmread(FIXTURES / f"{film}.dcm", stop_before_pixels=True).StudyInstanceUID)


def truth(name):
    """The known lesions of a study."""
    paths = [FIXTURES / "truth" / f"{n}.json" for n in (name, STUDIES.get(name, [name])[0])]
    return next((json.loads(p.read_text()) for p in paths if p.exists()), [])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="the centinela binary")
    parser.add_argument("--ohif", type=Path, required=True, help="OHIF's dist folder")
    parser.add_argument("--pictures", type=Path, required=True, help="where screenshots go")
    parser.add_argument("--deliver", default=DELIVER, help="the peer's `deliver`, as in ae-titles.toml")
    parser.add_argument("--keep", action="store_true", help="write the pictures of docs/images again")
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES), help="look at these studies only")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    run = Run()
    with tempfile.TemporaryDirectory(prefix="centinela-viewers-") as work:
        node = Node(options.bin, ROOT / "models/test-synthetic-map-1.0.0", Path(work) / "node")
        pacs = Orthanc(Path(work) / "pacs", node.dicom)
        peers = (f'[[peer]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {pacs.dicom}\nsends = true\n'
                 f'deliver = {options.deliver}\non_skip = "all"\n')
        with pacs.serving(), node.serving(peers):
            studies = fill(pacs, node)
            sent = node.sent()
            for name, study in studies.items():
                with run.check(f"Orthanc {pacs.version()}, {name}"):
                    archive.check(pacs, study, sent)
            with run.check("the archive's check sees a changed object"):
                changed(pacs, studies["dx_portrait_mono2_14"], sent)
            states(run, options.pictures, studies, sent, Path(work))
            look(run, options, pacs, studies, sent)
    if options.keep:
        keep(options.pictures)
    print(f"{run.passed} passed, {len(run.failed)} failed")
    return 1 if run.failed else 0


def keep(pictures):
    """The pictures of docs/viewers.md, in 256 colours, which the eye does not miss."""
    for picture, target in KEPT.items():
        Image.open(pictures / f"{picture}.png").convert("RGB").quantize(256).save(
            ROOT / "docs/images" / f"{target}.png", optimize=True)


def fill(pacs, node):
    """Puts the films into the archive, which pushes them to the node; waits until the results are back there."""
    films = [film for films in STUDIES.values() for film in films] + STATES
    pacs.push([pacs.upload((FIXTURES / f"{film}.dcm").read_bytes()) for film in films])
    return {name: node.settled(uid_of(films[0])) for name, films in (STUDIES | {s: [s] for s in STATES}).items()}


def changed(pacs, study, sent):
    """Fails unless the check notices that the node sent something else than the archive holds."""
    report = next(r["sop_instance"] for r in study["results"] if r["kind"] == "sr")
    other = sent | {report: sent[report].replace(b"UNVERIFIED", b"VERIFIED  ", 1)}
    with contextlib.suppress(Failure):
        archive.check(pacs, study, other)
        raise AssertionError("a changed flag was not noticed")


def states(run, pictures, studies, sent, work):
    """Presentation states, drawn by a reader of their own; then broken ones, which it must refuse."""
    films = {str(dcmread(f, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): f.read_bytes()
             for f in FIXTURES.glob("*.dcm") if not f.name.startswith("bad_")}
    drawn = 0
    for name, study in studies.items():
        for result in (r for r in study["results"] if r["kind"] == "gsps"):
            boxes = [b for b in truth(name) if b.get("sop_instance_uid", result["source"]) == result["source"]]
            film, state = films[result["source"]], sent[result["sop_instance"]]
            drawn += 1
            with run.check(f"presentation state, {name}"):
                gsps.check(film, state, boxes, work).save(pictures / f"gsps-{name}.png")
            for fault in gsps.FAULTS if name == "dx_landscape_mono1_12" else []:
                with run.check(f"presentation state, {fault.__name__} is refused"):
                    try:
                        gsps.check(film, fault(state), boxes, work)
                    except Failure as error:
                        print(f"     {fault.__name__}: {error}")
                    else:
                        raise Failure("the broken state passed")
    with run.check("there were presentation states"):
        if drawn < len(STATES) + 4:
            raise Failure(f"{drawn} only")


def look(run, options, pacs, studies, sent):
    """All pages."""
    with web.serving(options.ohif, pacs.http) as (address, refused), ohif.Viewer(address).running() as viewer:
        print(f"Chromium {viewer.version}")
        for name in options.only:
            study = studies[name]
            with run.check(f"OHIF, {name}"):
                expected = pages.Expected.of(study, truth(name))
                opened(viewer, study["study"]["study_uid"], expected, options.pictures, name)
        with run.check("OHIF, Japanese name"), viewer.study(uid_of("cr_portrait_japanese")) as page:
            pages.patient(page, "Yamada, Tarou", "山田^太郎")
        if options.deliver == DELIVER or "sc" in options.deliver:
            with run.check("OHIF, secondary capture"), viewer.study(uid_of("dx_portrait_mono2_14")) as page:
                pages.capture(page, options.pictures)
        proofs(run, viewer, pacs, studies["pa_ap"], sent)
        with run.check("nothing was asked of another host, and no request failed"):
            if viewer.outside or refused:
                raise Failure(f"asked {sorted(set(viewer.outside))}; failed {sorted(set(refused))}")
    with web.serving(options.ohif, pacs.http, named=True) as (address, _), ohif.Viewer(address).running() as viewer:
        study = studies["pa_ap"]
        with run.check("OHIF with the finding's name"), viewer.study(study["study"]["study_uid"]) as page:
            pages.check(page, pages.Expected.of(study, truth("pa_ap")), options.pictures, "named", named=True)


def opened(viewer, uid, *arguments):
    """Checks a study's page; where OHIF draws nothing in time it is opened once more, and that is said."""
    try:
        with viewer.study(uid) as page:
            pages.check(page, *arguments)
    except Slow as error:
        print(f"     opened again: {error}", flush=True)
        with viewer.study(uid) as page:
            pages.check(page, *arguments)


def proofs(run, viewer, pacs, study, sent):
    """The same check of a page on broken reports, each of which it must refuse."""
    films = [(FIXTURES / f"{film}.dcm").read_bytes() for film in STUDIES["pa_ap"]]
    report = next(sent[r["sop_instance"]] for r in study["results"] if r["kind"] == "sr")
    for variant in broken.SOUND + broken.BROKEN:
        name = variant.__name__
        files, fresh = broken.study(variant, films, report)
        for content in files:
            pacs.upload(content)
        expected = pages.Expected.of(study, truth("pa_ap")).renamed(fresh)
        uid = fresh[study["study"]["study_uid"]]
        if variant in broken.SOUND:
            with run.check(f"OHIF, report {name}"):
                opened(viewer, uid, expected)
            continue
        with run.check(f"OHIF, report {name} is refused"):
            try:
                with viewer.study(uid) as page:
                    pages.check(page, expected)
            except Failure as error:
                # A slow machine proves nothing.
                if isinstance(error, Slow):
                    raise
                print(f"     {name}: {str(error).strip().splitlines()[0]}")
            else:
                raise AssertionError("the broken report passed")


if __name__ == "__main__":
    sys.exit(main())
