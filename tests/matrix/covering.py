"""The covering set of studies, or a share of the full product, through `centinela analyze`, judged twice: by the
acceptance checker that lies beside the project (the covering set) and by our own judge.

`analyze` takes a study's films at once; the studies with a late film go through a running node and Orthanc too, and
each of their revisions is judged.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import road

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
BATCH = 100


def make(setup, folder, *options):
    """Films and manifest, in their encodings; `xtask` lies beside the program."""
    run(setup.binary.with_name("xtask"), "covering", folder, *options)
    # JPEG lossless has no decoder among the checker's tools: it gets the film as it was before.
    run("cp", "-r", folder, plain(folder))
    run(sys.executable, TESTS / "it" / "scripts" / "compress.py", "--set", folder)
    return json.loads((folder / "manifest.json").read_text())


def plain(folder):
    return folder.with_name(folder.name + "-plain")


def run(*command):
    subprocess.run([str(c) for c in command], check=True, cwd=TESTS.parent)


def case(study, folder, out):
    return {"name": study["name"], "sources": [str(folder / study["name"])], "results": [str(out / study["study"])],
            "truth": study["truth"], "expect": ["sr", "gsps", "sc"]}


def own_judge(cases, work, *options):
    target = work / "list.json"
    target.write_text(json.dumps(cases))
    done = subprocess.run([sys.executable, str(TESTS / "judge" / "judge.py"), "--list", str(target), *options],
                          capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def covering(setup):
    """Returns how many studies are not as expected."""
    with road.workplace() as work:
        folder = work / "films"
        studies = make(setup, folder)
        node = road.Node(setup, work / "node", "test-synthetic-map", 1)
        node.analyze(folder, work / "out", "compat")
        passed = 0
        wrong = 0
        for study in studies:
            films = (plain(folder) if study["encoding"] == "jpegll" else folder) / study["name"]
            boxes = work / "truth.json"
            boxes.write_text(json.dumps(study["truth"]))
            code, log = road.judge(setup, films, work / "out" / study["study"], "--require", "SR,PR", "--truth", boxes)
            passed += code == 0
            if code:
                wrong += road.say(False, study["name"], f"checker exit {code}", log)
        films = sum(len(s["films"]) for s in studies)
        road.say(passed == len(studies), "covering set", f"checker exit 0 for {passed} of {len(studies)} studies, {films} films")
        code, log = own_judge([case(s, folder, work / "out") for s in studies], work)
        return wrong + road.say(code == 0, "covering set, our own judge", log.strip().splitlines()[-1], log)


STORESCU = {"explicit": [], "rle": ["-xr"], "jpeg2000": ["-xv"], "jpegls": ["-xt"], "jpegll": ["-xs"]}


def revisions(setup):
    """The studies with a late film: each revision of the results is judged against the films that it knew."""
    with road.workplace() as work, road.orthanc(work / "pacs") as (dicom, http):
        studies = [s for s in make(setup, work / "films") if any(f["late"] for f in s["films"])]
        kinds = '["sr", "gsps", "sc", "kos"]'
        node = road.Node(setup, work / "node", "test-synthetic-map", dicom, "4", kinds)
        with node.serving():
            known = [settled(node, work / "films", studies, late) for late in (False, True)][-1]
        files = by_sop(road.fetch(http, work / "received"))
        wrong = 0
        for study in studies:
            for revision in (1, 2):
                wrong += judged(setup, work, study, revision, known[study["study"]], files)
        return wrong + road.say(wrong == 0, "revisions", f"{2 * len(studies)} revisions of {len(studies)} studies, {wrong} not as expected")


def settled(node, folder, studies, late):
    """Pushes the films that are late, or those that are not, and waits for the results."""
    for study in studies:
        for film in [f for f in study["films"] if f["late"] == late]:
            subprocess.run(["storescu", *STORESCU[study["encoding"]], "-aet", "MODALITY", "-aec", "CENTINELA", "127.0.0.1",
                            str(node.dicom), str(folder / study["name"] / film["file"])], check=True)
    def there(study):
        now = node.settled(study["study"])
        return now if now and now["study"]["revision"] == 1 + late else None
    return {s["study"]: road.wait(s["name"], lambda s=s: there(s)) for s in studies}


def by_sop(folder):
    from pydicom import dcmread
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in folder.iterdir()}


def judged(setup, work, study, revision, known, files):
    place = work / f"{study['name']}-{revision}"
    for name in ("films", "results"):
        (place / name).mkdir(parents=True)
    folder = plain(work / "films") if study["encoding"] == "jpegll" else work / "films"
    films = [f for f in study["films"] if revision == 2 or not f["late"]]
    for film in films:
        (place / "films" / film["file"]).symlink_to(folder / study["name"] / film["file"])
    for row in known["results"]:
        if row["revision"] == revision:
            (place / "results" / f"{row['sop_instance']}.dcm").symlink_to(files[row["sop_instance"]])
    boxes = place / "truth.json"
    boxes.write_text(json.dumps([t for t in study["truth"] if t["sop_instance_uid"] in {f["sop"] for f in films}]))
    code, log = road.judge(setup, place / "films", place / "results", "--require", "SR,PR,OT,KO", "--truth", boxes)
    return 0 if code == 0 else road.say(False, place.name, f"checker exit {code}", log)


def full(setup, state, every, most):
    """The full product in batches; `state` remembers what is done, so that a run goes on where one was cut off."""
    done = json.loads(state.read_text()) if state.exists() else {"every": every, "judged": 0, "faults": 0, "seconds": 0.0}
    total = min(most, 9600 // every)
    wrong = 0
    while done["judged"] < total:
        begin = time.monotonic()
        count = min(BATCH, total - done["judged"])
        with road.workplace() as work:
            folder = work / "films"
            skip = done["judged"] * every
            studies = make(setup, folder, "--full", "--every", every, "--skip", skip, "--most", count)
            node = road.Node(setup, work / "node", "test-synthetic-map", 1)
            node.analyze(folder, work / "out", "compat")
            code, log = own_judge([case(s, folder, work / "out") for s in studies], work, "--no-tools")
        if code:
            wrong += road.say(False, f"full product, from {skip}", f"judge exit {code}", log)
            done["faults"] += 1
        done["judged"] += count
        done["seconds"] += time.monotonic() - begin
        state.write_text(json.dumps(done))
        print(f"full product: {done['judged']} of {total} studies, {done['faults']} batches with faults, "
              f"{done['seconds']:.0f} s", flush=True)
    return wrong + road.say(done["faults"] == 0, "full product", f"{done['judged']} studies in {done['seconds']:.0f} s")
