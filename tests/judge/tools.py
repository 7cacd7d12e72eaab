"""Programs that are not ours: dciodvfy, dsrdump, dcmpschk, dcmp2pgm. Each answer is kept, because the same
file is asked about again when many sets share it."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread

PROGRAMS = {"dciodvfy": "dicom3tools", "dsrdump": "dcmtk", "dcmpschk": "dcmtk", "dcmp2pgm": "dcmtk", "dcmdjpeg": "dcmtk"}


class Missing(Exception):
    """A program is not installed."""


class Tools:
    def __init__(self):
        missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
        if missing:
            raise Missing(f"programs are missing: apt-get install -y {' '.join(missing)}")
        self.folder = tempfile.TemporaryDirectory(prefix="judge-")
        self.work = Path(self.folder.name)
        self.kept = {}
        self.starts = 0

    def output(self, *command):
        self.starts += 1
        done = subprocess.run([str(c) for c in command], capture_output=True, check=False, timeout=300,
                              env=os.environ | {"LC_ALL": "C.UTF-8"})
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def keep(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def lines(self, program, thing, *options):
        """What a program says about a file, line by line."""
        def ask():
            path = self.file(thing)
            return self.output(program, *options, path).replace(str(path), thing.name).splitlines()
        return self.keep((program, digest(thing)), ask)

    def file(self, thing):
        """The thing's bytes as a file: a changed copy has none of its own."""
        path = self.work / f"{digest(thing)}.dcm"
        if not path.exists():
            path.write_bytes(thing.raw)
        return path

    def render(self, film, state=None):
        """Grey levels as dcmp2pgm shows a film, with or without a presentation state; None if it cannot."""
        def ask():
            target = self.work / "grey.pgm"
            target.unlink(missing_ok=True)
            options = ["-p", self.file(state)] if state else []
            self.output("dcmp2pgm", *options, self.plain(film), target)
            return np.asarray(Image.open(target).convert("L"), np.int16) if target.exists() else None
        return self.keep(("dcmp2pgm", digest(film), digest(state) if state else ""), ask)

    def plain(self, film):
        """The film as dcmp2pgm reads it: not compressed."""
        def ask():
            path = self.file(film)
            data = dcmread(path)
            if not data.file_meta.TransferSyntaxUID.is_compressed:
                return path
            target = path.with_suffix(".plain")
            try:
                data.decompress(generate_instance_uid=False)
                data.save_as(target)
            except (AttributeError, NotImplementedError, RuntimeError, ValueError):
                self.output("dcmdjpeg", path, target)  # pydicom has no decoder for JPEG lossless here
            return target
        return self.keep(("plain", digest(film)), ask)


def digest(thing):
    return hashlib.sha256(thing.raw).hexdigest()
