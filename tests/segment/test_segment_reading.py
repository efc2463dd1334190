"""Reading images, volumes and masks: formats, palettes, alpha, 16 bits, damaged files, datalists, labels and groups."""

import gzip
import importlib.util
import io
import json
import logging
import struct
import warnings
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gnomon.errors import UserError
from gnomon.segment import reading
from gnomon.segment.reading import Case, Frame

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (9, 11), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (9, 11, 3), dtype=np.uint16)
OBLIQUE = np.array([[0.9, 0.1, 0, -3], [-0.1, 1.8, 0.2, 4], [0, -0.1, 3.0, 5], [0, 0, 0, 1.0]])


def encoded(array, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(buffer, kind, **options)
    return buffer.getvalue()


def png16(pixels: np.ndarray) -> bytes:
    """A 16-bit PNG of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels, as the format's standard has it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff16(pixels: np.ndarray, order: str) -> bytes:
    """An uncompressed 16-bit RGB TIFF in the byte order '<' or '>'."""
    height, width, channels = pixels.shape
    depths = struct.pack(f"{order}{channels}H", *[16] * channels)
    after = 8 + 2 + 12 * 9 + 4
    short, long = 3, 4
    tags = [
        *[(256, long, 1, width), (257, long, 1, height), (258, short, channels, after), (259, short, 1, 1)],
        *[(262, short, 1, 2), (273, long, 1, after + len(depths)), (277, short, 1, channels)],
        *[(278, long, 1, height), (279, long, 1, pixels.nbytes)],
    ]
    out = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    for tag, kind, count, value in tags:
        out += struct.pack(f"{order}HHI", tag, kind, count)
        out += struct.pack(f"{order}I", value) if kind == long or count > 1 else struct.pack(f"{order}HH", value, 0)
    return out + struct.pack(f"{order}I", 0) + depths + pixels.astype(f"{order}u2").tobytes()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.png", encoded(GREY, "PNG"), GREY),
        ("a.PNG", encoded(COLOUR, "PNG"), COLOUR),
        ("a.bmp", encoded(COLOUR, "BMP"), COLOUR),
        ("a.tif", encoded(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
        ("a.tiff", encoded(GREY.astype(np.float32) / 7, "TIFF"), GREY.astype(np.float32) / 7),
        ("a.png", png16(DEEP[..., :1]), DEEP[..., 0]),
        ("a.png", png16(DEEP), DEEP),
        ("a.png", png16(np.dstack([DEEP, DEEP[..., :1]])), DEEP),
        ("a.tif", tiff16(DEEP, "<"), DEEP),
        ("a.tif", tiff16(DEEP, ">"), DEEP),
        ("a.png", encoded(Image.fromarray(np.dstack([COLOUR, GREY])), "PNG"), COLOUR),
        ("a.png", encoded(Image.merge("LA", [Image.fromarray(GREY)] * 2), "PNG"), GREY),
        ("a.png", encoded(Image.fromarray(GREY > 99), "PNG"), np.where(GREY > 99, 255, 0).astype(np.uint8)),
    ],
)
def test_pictures_have_rows_first_and_keep_their_values_and_type(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    array, frame = reading.read_image(tmp_path / name)
    assert array.dtype == expected.dtype
    assert np.array_equal(array, expected)
    assert frame.shape == (9, 11)
    assert frame.affine is None
    header, channels = reading.read_header(tmp_path / name)
    assert header.shape == (9, 11)
    assert channels == (3 if expected.ndim == 3 else 1)


def test_a_jpeg_is_read_and_alpha_is_seen(tmp_path):
    smooth = np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))
    (tmp_path / "a.jpg").write_bytes(encoded(smooth, "JPEG", quality=95))
    array, _ = reading.read_image(tmp_path / "a.jpg")
    assert array.shape == (48, 64)
    assert np.abs(array.astype(int) - smooth).max() < 8
    (tmp_path / "b.png").write_bytes(encoded(np.dstack([COLOUR, GREY]), "PNG"))
    assert reading.has_alpha(tmp_path / "b.png")
    assert not reading.has_alpha(tmp_path / "a.jpg")


def test_a_palette_is_indices_in_a_mask_and_colours_in_an_image(tmp_path):
    indices = GREY % 4
    picture = Image.fromarray(indices, mode="P")
    palette = np.array([[9, 9, 9], [200, 0, 0], [0, 200, 0], [7, 0, 200]], dtype=np.uint8)
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / "a.png")
    assert np.array_equal(reading.read_mask(tmp_path / "a.png")[0], indices)
    assert np.array_equal(reading.read_image(tmp_path / "a.png")[0], palette[indices])


def test_masks_are_grey_whole_numbers(tmp_path):
    def written(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert np.array_equal(reading.read_mask(written("a.png", encoded(np.dstack([GREY] * 3), "PNG")))[0], GREY)
    assert np.array_equal(reading.read_mask(written("b.png", encoded(GREY > 9, "PNG")))[0], (GREY > 9).astype(int))
    assert np.array_equal(reading.read_mask(written("c.png", png16(DEEP[..., :1])))[0], DEEP[..., 0])
    whole = reading.read_mask(written("d.tif", encoded(GREY.astype(np.float32), "TIFF")))[0]
    assert whole.dtype == np.int32
    assert np.array_equal(whole, GREY)
    with pytest.raises(UserError, match=r"e\.png is in colour"):
        reading.read_mask(written("e.png", encoded(COLOUR, "PNG")))
    with pytest.raises(UserError, match=r"f\.tif holds the value 0\.5"):
        reading.read_mask(written("f.tif", encoded(np.full((3, 3), 0.5, np.float32), "TIFF")))
    with pytest.raises(UserError, match=r"g\.tif holds the value nan"):
        reading.read_mask(written("g.tif", encoded(np.full((3, 3), np.nan, np.float32), "TIFF")))


def test_volumes_keep_their_axes_and_apply_their_slope(tmp_path):
    stored = RNG.integers(-99, 99, (4, 5, 6)).astype(">i2")
    volume = nibabel.Nifti1Image(stored, OBLIQUE)
    volume.header.set_slope_inter(0.5, 10)
    (tmp_path / "a.nii").write_bytes(volume.to_bytes())
    array, frame = reading.read_image(tmp_path / "a.nii")
    assert np.allclose(array, stored * 0.5 + 10)
    assert array.dtype.isnative
    assert np.allclose(frame.affine, OBLIQUE, atol=1e-6)
    assert np.allclose(frame.spacing, np.linalg.norm(OBLIQUE[:3, :3], axis=0), atol=1e-6)
    nibabel.Nifti1Image(np.zeros((4, 5, 6, 1), np.uint8), OBLIQUE).to_filename(tmp_path / "b.nii.gz")
    assert reading.read_mask(tmp_path / "b.nii.gz")[0].shape == (4, 5, 6)
    nibabel.Nifti1Image(np.zeros((4, 5, 6, 2), np.uint8), OBLIQUE).to_filename(tmp_path / "c.nii.gz")
    assert reading.read_header(tmp_path / "c.nii.gz")[1] == 2
    with pytest.raises(UserError, match=r"c\.nii\.gz .* several channels"):
        reading.read_mask(tmp_path / "c.nii.gz")


def test_several_volumes_are_channels_of_one_grid(tmp_path):
    parts = []
    for name, shape in (("t1", (4, 5, 6)), ("t2", (4, 5, 6)), ("flair", (4, 5, 7))):
        parts.append(tmp_path / f"{name}.nii")
        nibabel.Nifti1Image(RNG.random(shape, dtype=np.float32), np.eye(4)).to_filename(parts[-1])
    array, frame = reading.read_case_image(parts[:2])
    assert array.shape == (4, 5, 6, 2)
    assert frame.shape == (4, 5, 6)
    assert np.array_equal(array[..., 1], reading.read_image(parts[1])[0])
    with pytest.raises(UserError, match=r"flair\.nii has shape \(4, 5, 7\)"):
        reading.read_case_image(parts)


def test_what_cannot_be_read_is_one_sentence_with_the_name(tmp_path):
    def refused(name: str, content: bytes, match: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=match) as caught:
            reading.read_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    refused("a.png", encoded(GREY, "BMP"), "not what its name says")
    refused("b.png", encoded(GREY, "PNG")[:40], "cannot be read as PNG")
    refused("c.png", b"", r"c\.png is empty; an image")
    refused("c.nii.gz", b"", r"c\.nii\.gz is empty; an image")
    refused("d.png", png16(DEEP[..., :2]), "stores its 16-bit pixels as LA")
    wrong = "cannot be read as NIfTI: its content is not what its name says"
    refused("e.nii.gz", nibabel.Nifti1Image(GREY[..., None], np.eye(4)).to_bytes(), wrong)
    refused("t.nii.gz", b"an apology of the server", wrong)
    refused("t.nii", b"an apology of the server" * 40, wrong)
    refused("u.nii.gz", gzip.compress(b"an apology of the server" * 40), wrong)
    whole = gzip.compress(nibabel.Nifti1Image(RNG.random((9, 9, 9)), np.eye(4)).to_bytes())
    refused("f.nii.gz", whole[: len(whole) // 2], "cannot be read as NIfTI")
    flat = nibabel.Nifti1Image(GREY[..., None], None)
    flat.header["sform_code"], flat.header["srow_x"] = 1, [0, 0, 0, 0]
    refused("g.nii", flat.header.binaryblock + b"\0" * 4 + GREY.tobytes(order="F"), "one that can be inverted")
    refused("h.nii", nibabel.Nifti1Image(np.ones((2, 2, 2), np.complex64), np.eye(4)).to_bytes(), "complex64")
    refused("i.nii", nibabel.Nifti1Image(np.ones((2, 2, 2, 2, 2), np.uint8), np.eye(4)).to_bytes(), "has shape")
    refused("j.mha", b"x", "not in a format that is read")
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    refused("k.tif", encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "holds 2 pages")
    with pytest.raises(UserError, match=r"absent\.png does not exist"):
        reading.read_image(tmp_path / "absent.png")


SOUND = {
    "a.png": encoded(COLOUR, "PNG"),
    "b.png": png16(DEEP),
    "c.bmp": encoded(COLOUR, "BMP"),
    "d.jpg": encoded(COLOUR, "JPEG"),
    "e.tif": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "f.tif": tiff16(DEEP, "<"),
    "g.nii": nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4)).to_bytes(),
}


@given(
    name=st.sampled_from(sorted(SOUND)),
    end=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(tmp_path_factory, name, end, changes):
    content = bytearray(SOUND[name])
    for place, value in changes:
        content[int(place * (min(len(content), 400) - 1))] = value
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content if changes else content[: int(end * len(content))])
    logging.disable(logging.CRITICAL)
    refused = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reading.read_image(path)
    except UserError as sentence:
        refused = str(sentence)
    finally:
        logging.disable(logging.NOTSET)
    assert name in refused or not refused


@pytest.mark.parametrize(("high", "kind"), [(255, np.uint8), (256, np.uint16), (70000, np.int32)])
def test_written_masks_come_back_in_the_smallest_type(tmp_path, high, kind):
    mask = np.zeros((4, 5, 6), np.int64)
    mask[1, 2, 3] = high
    frame = Frame(mask.shape, OBLIQUE, None)
    reading.write_mask(tmp_path / "a.nii.gz", mask, frame)
    array, found = reading.read_mask(tmp_path / "a.nii.gz")
    assert array.dtype == kind
    assert np.array_equal(array, mask)
    assert np.allclose(found.affine, OBLIQUE, atol=1e-6)
    if high < 65536:
        reading.write_mask(tmp_path / "a.png", mask[1], Frame((5, 6)))
        assert np.array_equal(reading.read_mask(tmp_path / "a.png")[0], mask[1])
        assert reading.read_mask(tmp_path / "a.png")[0].dtype == kind
    else:
        with pytest.raises(UserError, match=r"a\.png cannot hold the label value 70000"):
            reading.write_mask(tmp_path / "a.png", mask[1], Frame((5, 6)))
        assert not (tmp_path / "a.png").exists()


def test_a_volume_without_an_affine_is_written_with_its_spacing(tmp_path):
    reading.write_mask(tmp_path / "a.nii", np.full((2, 3, 4), -1), Frame((2, 3, 4), None, (1.0, 2.0, 3.0)))
    array, frame = reading.read_mask(tmp_path / "a.nii")
    assert array.dtype == np.int8
    assert frame.spacing == (1.0, 2.0, 3.0)


# -- data sets -----------------------------------------------------------------------------------------------------


def test_names_without_extension_pair_images_and_masks(tmp_path):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    for name in (
        "images/p.1.png",
        "images/q.bmp",
        "images/._q.png",
        "images/notes.txt",
        "masks/p.1.nii.gz",
        "masks/r.tif",
    ):
        (tmp_path / name).touch()
    found = reading.find_cases(tmp_path)
    assert [(case.id, case.label) for case in found.cases] == [("p.1", tmp_path / "masks" / "p.1.nii.gz"), ("q", None)]
    assert [(p.code, p.file) for p in found.problems] == [
        ("unpaired_image", "images/q.bmp"),
        ("unpaired_mask", "masks/r.tif"),
    ]
    assert (found.images, found.masks) == (2, 2)
    assert list(reading.find_images(tmp_path / "images")) == ["p.1", "q"]
    (tmp_path / "images" / "q.png").touch()
    with pytest.raises(UserError, match=r"two files named 'q', q\.bmp and q\.png"):
        reading.find_cases(tmp_path)


def test_a_folder_that_cannot_be_audited_is_a_sentence(tmp_path):
    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            reading.find_cases(tmp_path)

    with pytest.raises(UserError, match="does not exist"):
        reading.find_cases(tmp_path / "absent")
    refused("no folder images/ and labels/")
    (tmp_path / "images").mkdir()
    refused("no folder labels/ or masks/")
    (tmp_path / "labels").mkdir()
    refused("no image and no mask")
    (tmp_path / "masks").mkdir()
    refused("both labels/ and masks/")
    with pytest.raises(UserError, match="holds no image"):
        reading.find_images(tmp_path / "images")
    (tmp_path / "data.txt").touch()
    with pytest.raises(UserError, match="neither a folder nor"):
        reading.find_cases(tmp_path / "data.txt")


def test_a_datalist_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "list.json").write_text('[{"image": "a.png", "label": "b.png"}]', encoding="utf-8-sig")
    assert reading.find_cases(tmp_path / "list.json").cases[0].id == "a"


def test_files_in_deeper_folders_are_pointed_out(tmp_path):
    for place in ("images", "labels"):
        (tmp_path / place / "patient1").mkdir(parents=True)
        Image.fromarray(GREY).save(tmp_path / place / "patient1" / "a.png")
    with pytest.raises(UserError, match="no image and no mask.*; files in folders below images/ belong into a JSON"):
        reading.find_cases(tmp_path)


def test_a_datalist_gives_names_groups_and_folds(tmp_path):
    entries = [
        {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz", "group": 7, "fold": 1},
        {"image": ["x/a.nii", "x/a2.nii"], "label": "x/mask.nii"},
    ]
    file = tmp_path / "dataset.json"
    file.write_text(
        json.dumps({"labels": {"1": "Anterior", "0": "background"}, "training": entries, "test": ["./t.nii"]})
    )
    found = reading.find_cases(file)
    assert found.label_names == {"background": 0, "Anterior": 1}
    assert found.cases == (
        Case("a", (tmp_path / "x/a.nii", tmp_path / "x/a2.nii"), tmp_path / "x/mask.nii"),
        Case("b", (tmp_path / "imagesTr/b.nii.gz",), tmp_path / "labelsTr/b.nii.gz", "7", 1),
    )
    file.write_text(json.dumps({"labels": {"background": 0, "tumour": 2}, "training": entries}))
    assert reading.find_cases(file).label_names == {"background": 0, "tumour": 2}
    file.write_text(
        json.dumps([{"image": "p1/t1.nii", "label": "p1/m.nii"}, {"image": "p2/t1.nii"}, {"label": "p3/t1.nii"}])
    )
    found = reading.find_cases(file)
    assert [case.id for case in found.cases] == ["p1_t1", "p2_t1"]
    assert [(p.code, p.file) for p in found.problems] == [
        ("unpaired_image", "p2/t1.nii"),
        ("unpaired_mask", "p3/t1.nii"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[{", "not valid JSON"),
        ("{}", "a list of"),
        ("[]", "lists no case"),
        ("[3]", "entry 1 is 3"),
        ("[{}]", "entry 1 has neither"),
        ('[{"image": 3}]', "entry 1: image = 3"),
        ('[{"image": []}]', r"entry 1: image = \[\]"),
        ('[{"image": "a.png", "label": 3}]', "entry 1: label = 3"),
        ('[{"image": "a.png", "fold": "x"}]', "entry 1: fold = 'x'"),
        ('[{"image": "a.png", "group": [1]}]', r"entry 1: group = \[1\]"),
        ('[{"image": "a.png"}, {"image": "a.png"}]', "two cases named 'a'"),
        ('{"labels": {"0": "x", "1": "x"}, "training": [{"image": "a.png"}]}', "labels ="),
        ('{"labels": {"a": "b"}, "training": [{"image": "a.png"}]}', "labels ="),
    ],
)
def test_a_datalist_that_cannot_be_audited_is_a_sentence_with_its_name(tmp_path, text, match):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(UserError, match=match) as caught:
        reading.find_cases(tmp_path / "list.json")
    assert "list.json" in str(caught.value)


def test_labels_are_name_equals_value():
    assert reading.parse_labels([]) is None
    assert reading.parse_labels(["background=0", "grade=3 = 7"]) == {"background": 0, "grade=3": 7}
    for wrong, match in (
        (["tumour"], "--label tumour: NAME=VALUE"),
        (["a=0", "b=x"], "--label b=x: NAME=VALUE"),
        (["a=0", "=1"], "--label =1: NAME=VALUE"),
        (["a=0", "b=0"], "--label b=0: .* twice"),
        (["a=0", "a=1"], "--label a=1: .* twice"),
        (["a=0"], "the only one"),
    ):
        with pytest.raises(UserError, match=match):
            reading.parse_labels(wrong)


def test_groups_are_the_first_capture_on_the_id():
    cases = [Case("pat01_s1", (), None), Case("pat01_s2", (), None, "other"), Case("pat02_s1", (), None)]
    assert reading.group_of(cases, r"(pat\d+)_s(\d)") == {"pat01_s1": "pat01", "pat01_s2": "pat01", "pat02_s1": "pat02"}
    assert reading.group_of(cases, None) == {"pat01_s1": "pat01_s1", "pat01_s2": "other", "pat02_s1": "pat02_s1"}
    for expression, match in (
        ("(", "no regular expression .*'pat01_s1'"),
        (r"pat\d+", "captures nothing.*'pat01_s1'"),
        ("(x)", "does not match the id 'pat01_s1'"),
        ("(pat01)", "does not match the id 'pat02_s1'"),
    ):
        with pytest.raises(UserError, match=match):
            reading.group_of(cases, expression)


# -- DICOM ---------------------------------------------------------------------------------------------------------


def test_a_dicom_series_needs_pydicom_and_says_so(tmp_path, monkeypatch):
    for place in ("images/scan", "labels"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "images" / "scan" / "1.dcm").touch()
    assert reading.find_cases(tmp_path).cases[0].id == "scan"
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pydicom" else found(name))
    with pytest.raises(UserError, match="scan is a DICOM series, which needs pydicom: pip install pydicom"):
        reading.read_image(tmp_path / "images" / "scan")


def test_a_dicom_series_lies_where_its_slices_say(tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="a DICOM series is read only where pydicom is installed")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    volume = RNG.integers(0, 999, (4, 5, 6)).astype(np.uint16)  # columns, rows, slices
    for z in range(6):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_ = pydicom.Dataset()
        slice_.file_meta = meta
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.Rows, slice_.Columns, slice_.InstanceNumber = 5, 4, z + 1
        slice_.PixelSpacing, slice_.ImagePositionPatient = [2.0, 0.5], [10.0, 20.0, 3.0 * z]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 0
        slice_.PixelData = volume[:, :, z].T.tobytes()
        slice_.save_as(tmp_path / f"{9 - z}.dcm", enforce_file_format=True)
    array, frame = reading.read_image(tmp_path)
    assert np.array_equal(array, volume)
    assert frame.spacing == pytest.approx((0.5, 2.0, 3.0))
    # the patient's left and back are positive in DICOM, right and front in RAS
    assert frame.affine @ [1, 1, 1, 1] == pytest.approx([-10.5, -22, 3, 1])
    (tmp_path / "7.dcm").write_bytes(b"x")  # MONAI alone would leave this slice out
    with pytest.raises(UserError, match="cannot be read as a DICOM series"):
        reading.read_image(tmp_path)
