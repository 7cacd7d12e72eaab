"""Writes a film in another transfer syntax, same UIDs: compress.py IN OUT {rle|jpegls|jpeg2000}"""

import sys
import warnings

from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

warnings.simplefilter("ignore")
source, target, name = sys.argv[1:]
syntax = {"rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}[name]
data = dcmread(source)
data.compress(syntax, generate_instance_uid=False)
data.save_as(target)
