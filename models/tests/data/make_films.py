"""Makes films/: one small synthetic picture in many encodings, and expected.json with the digests of the true values.

Needs pydicom, numpy, Pillow, pyjpegls, pylibjpeg-openjpeg and DCMTK's dcmconv and dcmcjpeg. The result is committed; the
values of the two lossy films are those of CharLS and OpenJPEG.
"""

import hashlib
import io
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

OUT = Path(__file__).parent / "films"
SCRATCH = Path(tempfile.mkdtemp())
expected = {}


def film(values, bits, signed=False, **extra):
    """An uncompressed CR film."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1234"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.1", "2.25.2"
    ds.Modality, ds.PatientID, ds.PatientName = "CR", "TEST", "TEST"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 * values.dtype.itemsize, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    for key, value in extra.items():
        setattr(ds, key, value)
    ds.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    return ds


def put(name, ds, true):
    ds.save_as(OUT / f"{name}.dcm", enforce_file_format=True)
    expected[name] = hashlib.sha256(true.astype("<i4").tobytes()).hexdigest()


def compressed(name, ds, true, syntax, **options):
    ds.compress(syntax, generate_instance_uid=False, **options)
    put(name, ds, ds.pixel_array if true is None else true)


def dcmtk(name, command, ds, true=None):
    source = SCRATCH / "source.dcm"
    ds.save_as(source, enforce_file_format=True)
    subprocess.run([*command, source, OUT / f"{name}.dcm"], check=True)
    if true is not None:
        expected[name] = hashlib.sha256(true.astype("<i4").tobytes()).hexdigest()


OUT.mkdir(exist_ok=True)
y, x = np.mgrid[0:67, 0:90]
a12 = (37 * x + 91 * y + 13 * ((x * y) % 251)) // 8 % 4096
a12 = (a12 // 2 + np.hypot(x - 40, y - 30).astype(int) * 20).clip(0, 4095).astype("<u2")
a8 = (a12 >> 4).astype("u1")
s12 = (a12.astype(int) - 2048).astype("<i2")
above = (((x * 7 + y * 3) % 16) << 12).astype("<u2")

compressed("jpegls_12", film(a12, 12), a12, JPEGLSLossless)
compressed("jpegls_8", film(a8, 8), a8, JPEGLSLossless)
compressed("jpegls_near_12", film(a12, 12), None, JPEGLSNearLossless, jls_error=3)
compressed("jpeg2000_12", film(a12, 12), a12, JPEG2000Lossless)
compressed("jpeg2000_signed_12", film(s12, 12, signed=True), s12, JPEG2000Lossless)
compressed("jpeg2000_lossy_12", film(a12, 12), None, JPEG2000, j2k_cr=[8])
compressed("rle_12", film(a12, 12), a12, RLELossless)
fragments = film(a12, 12)
fragments.compress(JPEGLSLossless, generate_instance_uid=False)
frame = next(generate_frames(fragments.PixelData, number_of_frames=1))
fragments.PixelData = encapsulate([frame], fragments_per_frame=5, has_bot=True)
put("jpegls_fragments", fragments, a12)

dcmtk("jpeg_lossless_12", ["dcmcjpeg", "+e1"], film(a12, 12), a12)
dcmtk("jpeg_extended_12", ["dcmcjpeg", "+ee"], film(a12, 12))
smooth = (2 * x + y).astype("u1")
baseline = film(smooth, 8)
stream = io.BytesIO()
Image.fromarray(smooth).save(stream, "JPEG", quality=95)
baseline.PixelData = encapsulate([stream.getvalue()])
baseline["PixelData"].is_undefined_length = True
baseline.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
baseline.save_as(OUT / "jpeg_baseline_8.dcm", enforce_file_format=True)
dcmtk("deflated_12", ["dcmconv", "+td"], film(a12, 12), a12)
dcmtk("implicit_12", ["dcmconv", "+ti"], film(a12, 12), a12)
dcmtk("big_endian_12", ["dcmconv", "+tb"], film(a12, 12), a12)
dcmtk("big_endian_8", ["dcmconv", "+tb"], film(a8, 8), a8)
big = film(a8, 8)
big["PixelData"].VR = "OW"
dcmtk("big_endian_8_words", ["dcmconv", "+tb"], big, a8)

put("high_bits_12", film(a12 | above, 12), a12)
put("high_bit_15", film(a12 << 4, 12, HighBit=15), a12)
coded = s12.view("<u2") & 0x0FFF | above
rescaled = film(coded, 12, signed=True, RescaleSlope="2", RescaleIntercept="-100")
put("signed_rescale_12", rescaled, s12.astype(int) * 2 - 100)
table = [int(4095 - v * 0.5) for v in range(4000)]
item = Dataset()
item.add_new("LUTDescriptor", "US", [4000, 10, 12])
item.ModalityLUTType = "US"
item.add_new("LUTData", "US", table)
looked_up = np.array(table)[np.clip(a12.astype(int) - 10, 0, 3999)]
put("modality_lut_12", film(a12, 12, ModalityLUTSequence=[item]), looked_up)

(OUT / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
