"""Writes the seeds of the fuzz targets, byte for byte the same each time: .venv/bin/python fuzz/seeds.py

Small, valid inputs from which libFuzzer starts: protocol data units made by hand after PS3.7 and PS3.8, films of 32 x 32
pixels, and their frames as the encoders of DCMTK, pyjpegls, OpenJPEG and Pillow write them. Nobody in these films exists.
An input that found a fault becomes a test beside the code that was mended, not a seed.
"""

import io
import struct
import subprocess
import tempfile
import warnings
from pathlib import Path

import jpeg_ls
import numpy as np
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless,
    JPEGLosslessSV1, JPEGLSLossless, RLELossless,
)

warnings.simplefilter("ignore")
SEEDS = Path(__file__).parent / "seeds"
STORAGE = "1.2.840.10008.5.1.4.1.1.1.1"
INSTANCE = "1.2.3.4.5.6"
SIDE = 32


def seed(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# PS3.8 section 9.3

def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def context(number, abstract, *transfers):
    syntaxes = b"".join(item(0x40, t.encode()) for t in transfers)
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract.encode()) + syntaxes)


def user(*more, length=16384):
    items = item(0x51, struct.pack(">I", length)) + item(0x52, b"1.2.3.4") + item(0x55, b"SEED 1.0")
    return item(0x50, items + b"".join(more))


def associate(contexts, information, called=b"CENTINELA", version=1):
    head = struct.pack(">HH", version, 0) + called.ljust(16) + b"SEED".ljust(16) + bytes(32)
    return pdu(1, head + item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + information)


def pdv(number, control, data):
    return struct.pack(">IBB", len(data) + 2, number, control) + data


def p_data(*values):
    return pdu(4, b"".join(values))


# PS3.7 section 6.3.1

def command(elements):
    body = b""
    for element, value in elements:
        if isinstance(value, int):
            value = struct.pack("<H", value)
        elif len(value) % 2:
            value += b"\0"
        body += struct.pack("<HHI", 0, element, len(value)) + value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


STORE = [(2, STORAGE.encode()), (0x100, 1), (0x110, 7), (0x700, 1), (0x800, 1), (0x1000, INSTANCE.encode())]
ECHO = [(2, b"1.2.840.10008.1.1"), (0x100, 0x30), (0x110, 1), (0x800, 0x101)]


# PS3.4 table J.3-1

def element(group, number, value, vr=None):
    """Implicit VR without `vr`, else explicit; text is padded, bytes of a sequence are whole items."""
    if isinstance(value, str):
        value = value.encode() + b"\0" * (len(value) % 2)
    tag = struct.pack("<HH", group, number)
    if vr is None:
        return tag + struct.pack("<I", len(value)) + value
    if vr == b"SQ":
        return tag + vr + struct.pack("<HI", 0, len(value)) + value
    return tag + vr + struct.pack("<H", len(value)) + value


def action(references, explicit=True, endless=False, transaction="1.2.3.99"):
    uid, sequence = (b"UI", b"SQ") if explicit else (None, None)
    items = b""
    for sop_class, instance in references:
        body = b"".join(element(8, n, v, uid) for n, v in [(0x1150, sop_class), (0x1155, instance)] if v is not None)
        length = 0xFFFFFFFF if endless else len(body)
        items += struct.pack("<HHI", 0xFFFE, 0xE000, length) + body
        if endless:
            items += struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    whole = element(8, 0x1199, items, sequence)
    if endless:
        at = 8 if explicit else 4
        whole = whole[:at] + struct.pack("<I", 0xFFFFFFFF) + whole[at + 4:] + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return bytes([explicit]) + element(8, 0x1195, transaction, uid) + whole


def commitment():
    two = [(STORAGE, INSTANCE), ("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5.7")]
    for name, data in {
        "explicit": action(two), "implicit": action(two, explicit=False), "endless": action(two, endless=True),
        "endless_implicit": action(two, explicit=False, endless=True), "twice": action(two + two),
        "many": action([(STORAGE, f"1.2.{n}") for n in range(100)], explicit=False), "none": action([]),
        "no_class": action([(None, INSTANCE)]), "empty": action([(STORAGE, "")]),
        "malformed": action([(STORAGE, "../../etc/passwd")]), "no_transaction": action(two, transaction=""),
        "torn": action(two)[:-7], "claim": b"\0" + struct.pack("<HHI", 8, 0x1199, 0xFFFFFF00) + b"\xfe\xff\0\xe0",
        "big": b"\2" + struct.pack(">HH", 8, 0x1195) + b"UI\0\x061.2.3\0", "deflated": b"\3" + b"\x4b\x04\0",
    }.items():
        seed("action", name, data)


def network():
    contexts = [context(1, "1.2.840.10008.1.1", ImplicitVRLittleEndian),
                context(3, STORAGE, JPEG2000Lossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian),
                context(5, "1.2.826.0.1.3680043.2.1", ExplicitVRLittleEndian)]
    name = STORAGE.encode()
    role = item(0x54, struct.pack(">H", len(name)) + name + b"\0\1")
    window = item(0x53, struct.pack(">HH", 1, 1))
    extended = item(0x56, struct.pack(">H", len(name)) + name + b"\2\0\1\0")
    both = item(0x57, struct.pack(">H", len(name)) + name + struct.pack(">H", 18) + b"1.2.840.10008.4.2" + b"\0" + b"\0\0")
    identity = item(0x58, b"\2\1" + struct.pack(">H", 4) + b"user" + struct.pack(">H", 4) + b"word")
    token = item(0x58, b"\5\1" + struct.pack(">H", 12) + b"eyJh.e30.c2ln" [:12] + b"\0\0")
    push_model = b"1.2.840.10008.1.20.1"
    asks = item(0x54, struct.pack(">H", len(push_model)) + push_model + b"\1\0")
    requests = {
        "plain": associate(contexts[:1], user()),
        "commitment": associate([context(1, push_model.decode(), ExplicitVRLittleEndian, ImplicitVRLittleEndian)], user(asks)),
        "three": associate(contexts, user(window, role)),
        "identity": associate(contexts[1:2], user(identity)),
        "token": associate(contexts[1:2], user(token, extended, both)),
        "many": associate([context(2 * n + 1, STORAGE, ImplicitVRLittleEndian) for n in range(128)], user()),
        "no_limit": associate(contexts, user(length=0)),
        "tiny": associate(contexts, user(length=4)),
        "twice": associate([contexts[0], contexts[0]], user()),
        "bare": associate([], b""),
        "version": associate(contexts, user(), version=2),
    }
    for name, request in requests.items():
        seed("association", name, request)
    echo, store = command(ECHO), command(STORE)
    commands = {
        "echo": echo,
        "store": store,
        "answer": command([(2, STORAGE.encode()), (0x100, 0x8001), (0x120, 7), (0x800, 0x101), (0x900, 0xA700)]),
        "cancel": command([(0x100, 0x0FFF), (0x120, 7), (0x800, 0x101)]),
        "action": command([(3, b"1.2.840.10008.1.20.1"), (0x100, 0x0130), (0x110, 9), (0x800, 1),
                           (0x1001, b"1.2.840.10008.1.20.1.1"), (0x1008, 1)]),
        "path": command(STORE[:-1] + [(0x1000, b"../../etc/passwd")]),
        "claim": struct.pack("<HHI", 0, 0x1000, 0xC0000000) + b"1.2.3",
    }
    for name, data in commands.items():
        seed("command", name, data)
    data = bytes(range(250)) + bytes(6)
    release = pdu(5, bytes(4))
    split = len(store) // 2
    streams = {
        "echo": p_data(pdv(1, 3, echo)) + release,
        "store": p_data(pdv(3, 3, store)) + p_data(pdv(3, 0, data), pdv(3, 2, data)) + release,
        "split": p_data(pdv(3, 1, store[:split])) + p_data(pdv(3, 3, store[split:])) + p_data(pdv(3, 0, b""), pdv(3, 2, data)),
        "abort": p_data(pdv(3, 3, store)) + pdu(7, b"\0\0\2\1"),
        "torn": p_data(pdv(3, 3, store) + b"abc"),
        "reply": pdu(6, bytes(4)) + pdu(4, pdv(1, 3, echo)[:9]),
        "long": pdu(4, b"")[:2] + struct.pack(">I", 0xFFFFFFF0) + bytes(64),
    }
    for name, stream in streams.items():
        seed("framer", name, b"\0" + stream)
        seed("framer", name + "_after_request", b"\x80" + requests["plain"] + stream)
        seed("framer", name + "_dripped", b"\x07" + stream)


# Films

def picture(bits, kind="ramp"):
    top = (1 << bits) - 1
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    values = {"ramp": (x + y) * top // (2 * SIDE - 2), "flat": np.full((SIDE, SIDE), top // 3),
              "noise": np.random.default_rng(7).integers(0, top, (SIDE, SIDE), endpoint=True)}[kind]
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def film(bits=12, kind="ramp"):
    pixels = picture(bits, kind)
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = STORAGE, INSTANCE
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
    data.StudyDate, data.Modality, data.Manufacturer = "20260102", "DX", "SEED"
    data.PatientName, data.PatientID, data.PatientAge, data.PatientSex = "Seed^Nobody", "1", "045Y", "F"
    data.BodyPartExamined, data.ViewPosition = "CHEST", "PA"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows = data.Columns = SIDE
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * pixels.itemsize, bits, bits - 1
    data.PixelRepresentation = 0
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OB" if bits <= 8 else "OW"
    return data


def table(first, entries, bits):
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = np.array(entries, np.uint16).tobytes()
    item["LUTData"].VR = "OW"
    return [item]


def file(data, syntax):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, "1.2.3.4"
    data.file_meta = meta
    into = io.BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dcmwrite(into, data, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    return into.getvalue()


def body(whole):
    """The data set of a file: what is behind group 0002."""
    length = struct.unpack_from("<I", whole, 140)[0]
    return whole[144 + length:]


def headers():
    deep = film()
    for _ in range(4):
        deep_item = Dataset()
        deep_item.ReferencedStudySequence = deep.get("ReferencedStudySequence") or []
        deep_item.CodeMeaning = "deep"
        deep.ReferencedStudySequence = [deep_item]
    deep["ReferencedStudySequence"].is_undefined_length = True
    private = film()
    private.add_new(0x00090010, "LO", "SEED PRIVATE")
    private.add_new(0x00091001, "UN", b"\1\2\3\4")
    japanese = film()
    japanese.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    japanese.PatientName = "Yamada^Tarou=山田^太郎"
    for name, data in {"film": film(8), "deep": deep, "private": private, "japanese": japanese}.items():
        seed("header", name + "_file", b"\xff" + file(data, ExplicitVRLittleEndian))
        seed("header", name + "_implicit", b"\0" + body(file(data, ImplicitVRLittleEndian)))
    seed("header", "explicit", b"\1" + body(file(deep, ExplicitVRLittleEndian)))
    big = film(8)
    seed("header", "big", b"\2" + body(file(big, ExplicitVRBigEndian)))
    seed("header", "cut", b"\1" + body(file(film(), ExplicitVRLittleEndian))[:-100])
    seed("header", "claim", b"\1" + b"\x08\0\x08\0OB\0\0\0\0\0\xc0")
    packed = file(film(12, "noise"), DeflatedExplicitVRLittleEndian)
    seed("inflate", "noise", body(packed))
    seed("inflate", "ramp", body(file(deep, DeflatedExplicitVRLittleEndian)))
    zeros = film(8)
    zeros.PixelData = bytes(100_000)
    seed("inflate", "zeros", body(file(zeros, DeflatedExplicitVRLittleEndian)))


def head(bits, rows=SIDE, columns=SIDE):
    return struct.pack(">HHB", rows, columns, bits - 1)


def dcmtk(tool, *options, bits, kind="ramp"):
    """The only frame of a film as a DCMTK tool compresses it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.dcm", f"{folder}/out.dcm"
        Path(source).write_bytes(file(film(bits, kind), ExplicitVRLittleEndian))
        subprocess.run([tool, *options, "+un", source, target], check=True)
        from pydicom import dcmread
        from pydicom.encaps import get_frame
        return get_frame(dcmread(target).PixelData, 0, number_of_frames=1)


def frames():
    for bits in (8, 12, 16):
        for kind in ("ramp", "flat", "noise"):
            pixels, name = picture(bits, kind), f"{kind}_{bits}"
            planes = RLELosslessEncoder.encode(pixels, rows=SIDE, columns=SIDE, samples_per_pixel=1, bits_allocated=8 * pixels.itemsize,
                                               bits_stored=bits, pixel_representation=0, number_of_frames=1, photometric_interpretation="MONOCHROME2", encoding_plugin="pydicom")
            seed("rle", name, head(bits) + planes)
            seed("jpeg_ls", name, head(bits) + bytes(jpeg_ls.encode_array(pixels, lossy_error=0)))
            seed("jpeg_ls", name + "_near", head(bits) + bytes(jpeg_ls.encode_array(pixels, lossy_error=2)))
            seed("jpeg_2000", name, head(bits) + encode_array(pixels, bits_stored=bits, photometric_interpretation=2, codec_format=0))
            seed("jpeg_2000", name + "_lossy", head(bits) + encode_array(pixels, bits_stored=bits, photometric_interpretation=2, codec_format=0, compression_ratios=[4, 2]))
            seed("jpeg", name + "_sv1", head(bits) + dcmtk("dcmcjpeg", "+e1", bits=bits, kind=kind))
    seed("jpeg", "process14", head(12) + dcmtk("dcmcjpeg", "+el", "+sv", "6", bits=12))
    seed("jpeg", "extended", head(12) + dcmtk("dcmcjpeg", "+ee", bits=12))
    for name, options in {"baseline": {}, "progressive": {"progressive": True}, "restart": {"restart_marker_blocks": 1}}.items():
        into = io.BytesIO()
        Image.fromarray(picture(8)).save(into, "JPEG", quality=80, **options)
        seed("jpeg", name, head(8) + into.getvalue())
    for name, options in {"tiles": {"tile_size": (8, 8)}, "layers": {"quality_layers": [20, 5, 1]},
                          "wavelet": {"irreversible": True, "num_resolutions": 3},
                          "order": {"progression": "PCRL", "num_resolutions": 2, "precinct_size": (8, 8), "codeblock_size": (4, 4)}}.items():
        into = io.BytesIO()
        Image.fromarray(picture(8, "noise")).save(into, "JPEG2000", no_jp2=True, **options)
        seed("jpeg_2000", name, head(8) + into.getvalue())


def films():
    window = film()
    window.WindowCenter, window.WindowWidth = ["2048", "1000"], ["4096", "100"]
    window.RescaleSlope, window.RescaleIntercept = "1.5", "-1024"
    sigmoid = film()
    sigmoid.WindowCenter, sigmoid.WindowWidth, sigmoid.VOILUTFunction = "2048", "400", "SIGMOID"
    sigmoid.PixelRepresentation, sigmoid.PhotometricInterpretation = 1, "MONOCHROME1"
    luts = film()
    luts.ModalityLUTSequence = table(0, range(0, 512, 2), 12)
    luts.VOILUTSequence = table(0, range(256), 8)
    luts.PresentationLUTShape = "INVERSE"
    for name, data in {"window": window, "sigmoid": sigmoid, "luts": luts, "small": film(8), "noise": film(16, "noise")}.items():
        seed("film", name, file(data, ExplicitVRLittleEndian))
    seed("film", "implicit", file(film(), ImplicitVRLittleEndian))
    seed("film", "big", file(film(8), ExplicitVRBigEndian))
    seed("film", "deflated", file(film(), DeflatedExplicitVRLittleEndian))
    for name, syntax, frame in [
        ("rle", RLELossless, "rle/ramp_12"), ("jpeg", JPEGLosslessSV1, "jpeg/ramp_12_sv1"),
        ("jpeg_ls", JPEGLSLossless, "jpeg_ls/ramp_12"), ("jpeg_2000", JPEG2000Lossless, "jpeg_2000/ramp_12"),
    ]:
        data = film()
        data.PixelData = encapsulate([(SEEDS / frame).read_bytes()[5:]])
        data["PixelData"].is_undefined_length = True
        data["PixelData"].VR = "OB"
        seed("film", name, file(data, syntax))


network()
commitment()
headers()
frames()
films()
everything = [path.stat().st_size for path in SEEDS.rglob("*") if path.is_file()]
print(f"{len(everything)} seeds, {sum(everything)} bytes")
