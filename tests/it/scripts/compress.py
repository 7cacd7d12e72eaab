"""Writes films in another lossless transfer syntax, same UIDs.

compress.py IN OUT {rle|jpegls|jpeg2000|jpegll}: one film
compress.py --set FOLDER: the films of a covering set in place, each in the encoding that manifest.json says

JPEG lossless (process 14, selection value 1) comes from DCMTK's dcmcjpeg, the others from pydicom's encoders.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

warnings.simplefilter("ignore")
SYNTAX = {"rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless, "jpegll": JPEGLosslessSV1}
encoded = {}


def pixels(source, data, name):
    """The encapsulated pixel data; films with the same picture are encoded once."""
    key = (hashlib.sha256(data.PixelData).digest(), data.BitsStored, name)
    if key not in encoded:
        if name == "jpegll":
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "film.dcm"
                subprocess.run(["dcmcjpeg", "+e1", source, target], check=True, capture_output=True)
                encoded[key] = dcmread(target).PixelData
        else:
            data.compress(SYNTAX[name], generate_instance_uid=False)
            encoded[key] = data.PixelData
    return encoded[key]


def compress(source, target, name):
    data = dcmread(source)
    data.PixelData = pixels(source, data, name)
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = SYNTAX[name]
    data.save_as(target)


def main():
    if sys.argv[1] == "--set":
        folder = Path(sys.argv[2])
        for study in json.loads((folder / "manifest.json").read_text()):
            if study["encoding"] != "explicit":
                for film in study["films"]:
                    path = folder / study["name"] / film["file"]
                    compress(path, path, study["encoding"])
    else:
        compress(*sys.argv[1:])


if __name__ == "__main__":
    main()
