"""Films of the matrix: real ones as they are, and twins made from them."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

warnings.simplefilter("ignore")


@dataclass
class Film:
    """A film, a name for people, and storescu's options for its transfer syntax."""

    name: str
    path: Path
    storescu: list

    @property
    def study(self):
        return str(dcmread(self.path, stop_before_pixels=True).StudyInstanceUID)

    @property
    def sop(self):
        return str(dcmread(self.path, stop_before_pixels=True).SOPInstanceUID)


def twin(film, work, name):
    """The same film in a lossless syntax."""
    syntax = {"jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}[name]
    target = work / f"{film.stem}-{name}.dcm"
    data = dcmread(film)
    data.compress(syntax, generate_instance_uid=False)
    data.save_as(target)
    return target


def retagged(film, work):
    """The film with the tags of a chest PA."""
    target = work / f"{film.stem}-chest.dcm"
    data = dcmread(film)
    data.BodyPartExamined, data.ViewPosition = "CHEST", "PA"
    data.save_as(target)
    return target
