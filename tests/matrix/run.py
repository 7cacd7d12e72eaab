"""Real films through the whole road: DCMTK pushes, Orthanc receives, the acceptance checker judges.

Usage: run.py --shared DIR --bin FILE [--only WORD] [--full STATE [--every N] [--most N]]

DIR holds `kit/check_results.py` and `data/` (real films are not part of the project). Prints one line
for each film and figure; exit 0 = every film as expected. --full runs the full product of the covering set's
properties instead, or every N-th study of it, and remembers in STATE how far it came.
"""

import argparse
import sys
from pathlib import Path

import boxes
import covering
import road
from films import Film, retagged, twin

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "dicom-fixtures"


def analysed(dicom, work):
    """Films that must come back with results, with the options that storescu needs for each."""
    explicit = dicom / "RG1_chest_explicitLE.dcm"
    return [
        Film("chest, explicit", explicit, []),
        Film("chest, RLE", dicom / "RG1_chest_RLE.dcm", ["-xr"]),
        Film("chest, JPEG 2000 lossy (.91)", dicom / "WG04_RG1_J2KI_chest.dcm", ["-xw"]),
        Film("chest, JPEG-LS near-lossless (.81)", dicom / "WG04_RG1_JLSN_chest.dcm", ["-xu"]),
        Film("chest, JPEG-LS lossless (.80)", twin(explicit, work, "jpegls"), ["-xt"]),
        Film("chest, JPEG 2000 lossless (.90)", twin(explicit, work, "jpeg2000"), ["-xv"]),
        Film("NIH DX, implicit", dicom / "NIH_gcp_DX_implicitLE.dcm", []),
    ]


def skipped(dicom, work):
    """Films that must come back with a reason, and the code of the reason."""
    return [
        (Film("hip", dicom / "WG04_RG2_J2KR.dcm", ["-xv"]), "body_part"),
        (Film("hip, JPEG lossless", dicom / "WG04_RG2_JPLL.dcm", ["-xs"]), "body_part"),
        (Film("extremity", dicom / "WG04_RG3_UNC.dcm", []), "body_part"),
        (Film("dog", dicom / "highdicom_dx_MONO1.dcm", []), "age"),
        (Film("lateral phantom", FIXTURES / "lateral_only.dcm", []), "view"),
        (Film("JPEG 12 bit as chest PA", retagged(dicom / "WG04_RG3_JPLY.dcm", work), ["-xx"]), "transfer_syntax"),
    ]


TRUTHS = [
    "dx_portrait_mono2_14", "dx_landscape_mono1_12", "cr_portrait_mono1_10_latin1", "cr_portrait_japanese",
    "cr_empty_optional", "cr_age_81", "cr_landscape_mono2_12_implicit", "cr_signed_rescale", "sc_dx_film",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--full", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--most", type=int, default=9600)
    options = parser.parse_args()
    setup = road.Setup(options.bin.resolve(), options.shared.resolve() / "kit" / "check_results.py")
    dicom = options.shared.resolve() / "data" / "dicom"
    if options.full:
        return 1 if covering.full(setup, options.full, options.every, options.most) else 0
    wrong = 0
    with road.workplace() as work:
        for model in ["", "test-synthetic-map"]:
            for film in analysed(dicom, work):
                if options.only in film.name:
                    wrong += road.analysed(setup, film, model)
        for film, code in skipped(dicom, work):
            if options.only in film.name:
                wrong += road.skipped(setup, film, code)
        for name in TRUTHS:
            if options.only in name:
                wrong += road.truth(setup, [FIXTURES / f"{name}.dcm"], FIXTURES / "truth" / f"{name}.json", name)
        if options.only in "pa_ap":
            pair = [FIXTURES / "pa_ap_1_pa.dcm", FIXTURES / "pa_ap_2_ap.dcm"]
            wrong += road.truth(setup, pair, FIXTURES / "truth" / "pa_ap.json", "pa_ap")
        if options.only in "covering":
            wrong += covering.covering(setup)
        if options.only in "revisions":
            wrong += covering.revisions(setup)
        if options.only in "boxes":
            boxes.report(setup, options.shared.resolve() / "data" / "cxr", FIXTURES, work)
    print("all as expected" if wrong == 0 else f"{wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
