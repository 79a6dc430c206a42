"""Files that cannot be read as what they should be: what ``ccx`` says of each, its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.cli.spoilt_inputs import (
        Wrong,
        array,
        cut,
        edit,
        file,
        gone,
        line,
        malicious,
        noise,
        picture,
        stored,
    )
else:
    from spoilt_inputs import (
        Wrong,
        array,
        cut,
        edit,
        file,
        gone,
        line,
        malicious,
        noise,
        picture,
        stored,
    )

COCO = (
    b'{"images": [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}], "annotations": '
    b'[{"id": 1, "image_id": 1, "category_id": 1, '
    b'"segmentation": [[0, 0, 4, 0, 4, 4]]}], "categories": [{"id": 1, "name": "cat"}]}'
)

CSV = [
    Wrong(
        "explain TINY",
        3,
        "{data}/datasets/broden1_224/label.csv is missing: restore it, or download the dataset "
        "again with `ccx fetch broden224`.",
        gone("label.csv"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 1: the file is empty: restore it, or download "
        "the dataset again with `ccx fetch broden224`.",
        noise("label.csv", b""),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 1: the column category is missing of "
        "number, name, category, frequency, coverage, syns.",
        noise("label.csv", b"number,name\n"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 1: the text must be UTF-8.",
        noise("label.csv", b"\xff\xfe"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 4: number must be a whole number from 1 "
        "to 65535, not 'x'.",
        edit("label.csv", "3,square", "x,square"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 5: the number 4 is already 'square'.",
        edit("label.csv", "3,square", "4,square"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/label.csv, line 2: frequency must be a whole number from "
        "0 to 4294967295, not 'many'.",
        edit("label.csv", "1,1.0", "many,1.0"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 2: sw must be a whole number from 1 to "
        "65535, not '-1'.",
        edit("index.csv", ",28,28,", ",28,-1,"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 2: image must be a path inside images/, "
        "not 'tiny/../000.png'.",
        edit("index.csv", "000.png,val", "../000.png,val"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 3: 'tiny/000.png' is already on line 2.",
        edit("index.csv", "001.png,val", "000.png,val"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 2: a label PNG must be a path inside "
        "images/, not '/etc/passwd'.",
        edit("index.csv", ",tiny/000_color.png", ",/etc/passwd"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 2: label.csv has no label with the number 77.",
        edit("index.csv", ",tiny/000_color.png", ",77"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/index.csv, line 2: 8 cells under 9 columns.",
        edit("index.csv", ",tiny/000_color.png", ""),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/category.csv, line 3: each category must have a plain "
        "name, its own, not 'color'.",
        edit("category.csv", "object,", "color,"),
    ),
    Wrong(
        "explain TINY",
        4,
        "{data}/datasets/broden1_224/c_object.csv, line 2: number must be a whole number from "
        "1 to 65535, not 'x'.",
        edit("c_object.csv", "1,3,square", "1,x,square"),
    ),
]
PNGS = [
    Wrong(
        "explain TINY -q",
        3,
        "{data}/datasets/broden1_224/images/tiny/002_color.png is missing: restore it, or download "
        "the dataset again with `ccx fetch broden224`.",
        gone("images/tiny/002_color.png"),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/datasets/broden1_224/images/tiny/002_color.png is not a complete PNG: restore it, "
        "or download the dataset again with `ccx fetch broden224`.",
        noise("images/tiny/002_color.png", b"noise"),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/datasets/broden1_224/images/tiny/002_color.png is not a complete PNG: restore it, "
        "or download the dataset again with `ccx fetch broden224`.",
        cut("images/tiny/002_color.png"),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/datasets/broden1_224/images/tiny/002_color.png is a PNG of mode L with 8 bits "
        "per sample where label PNGs are RGB, RGBA or palette with 8: save it as RGB with red + "
        "256 * green the label's number.",
        picture("images/tiny/002_color.png", 28, 28),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/datasets/broden1_224/images/tiny/002_color.png is 14x28 where the index says "
        "28x28: restore it, or download the dataset again with `ccx fetch broden224`.",
        picture("images/tiny/002_color.png", 14, 28, 1, 0, 0),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/datasets/broden1_224/images/tiny/002_color.png holds the number 99 (row 0, "
        "column 0), which label.csv does not have: add the label there or correct the PNG.",
        picture("images/tiny/002_color.png", 28, 28, 99, 0, 0),
    ),
    Wrong(
        "explain TINY --seed 1 -q",
        3,
        "{data}/datasets/broden1_224/images/tiny/002.png is missing: restore it, or download the "
        "dataset again with `ccx fetch broden224`.",
        gone("images/tiny/002.png"),
    ),
    Wrong(
        "explain TINY --seed 1 -q",
        4,
        "The image {data}/datasets/broden1_224/images/tiny/002.png cannot be read, it is cut "
        "short or not an image: replace the file, or get the dataset again with `ccx fetch`.",
        noise("images/tiny/002.png", b"noise"),
    ),
    Wrong(
        "explain TINY --seed 1 -q",
        4,
        "The image {data}/datasets/broden1_224/images/tiny/002.png cannot be read, it is cut "
        "short or not an image: replace the file, or get the dataset again with `ccx fetch`.",
        cut("images/tiny/002.png"),
    ),
]
CHECKPOINTS = [
    Wrong(
        "explain --model resnet18 --subset tiny --weights nowhere.pth",
        3,
        "--weights nowhere.pth is not there: check the path.",
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights .",
        3,
        "--weights . is a folder, not a file: check the path.",
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.pth",
        4,
        "w.pth cannot be read as a checkpoint, it is cut short or of another kind: download "
        "it again, or give another file with --weights.",
        file("w.pth", b""),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.safetensors",
        4,
        "w.safetensors cannot be read as a checkpoint, it is cut short or of another kind: "
        "download it again, or give another file with --weights.",
        file("w.safetensors", b"noise and more noise"),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.pth",
        4,
        "w.pth cannot be read as a checkpoint, it is cut short or of another kind: download "
        "it again, or give another file with --weights.",
        file("w.pth", b"noise"),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.npz",
        4,
        "w.npz is a NumPy archive (.npz), not a checkpoint of PyTorch: save the network's "
        "`state_dict()` with torch.save and give that file with --weights.",
        lambda place: np.savez(place.here / "w.npz", weight=[1.0]),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.npy",
        4,
        "w.npy is a NumPy array (.npy), not a checkpoint of PyTorch: save the network's "
        "`state_dict()` with torch.save and give that file with --weights.",
        array("w.npy", [1.0]),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.h5",
        4,
        "w.h5 is an HDF5 file, not a checkpoint of PyTorch: save the network's `state_dict()` "
        "with torch.save and give that file with --weights.",
        file("w.h5", b"\x89HDF\r\n\x1a\n and more"),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.pth",
        4,
        "w.pth is a web page in the place of a checkpoint: download the file itself.",
        file("w.pth", b"\n<!DOCTYPE html>\n<html>..."),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.safetensors",
        4,
        "w.safetensors is a pointer of Git LFS in the place of a checkpoint: download the file "
        "itself.",
        file("w.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.pth",
        4,
        "w.pth holds more than weights, it asks for exec, which could run code and is not "
        "read: save the network's `state_dict()` with torch.save and give that file.",
        malicious("w.pth", zipped=True),
    ),
    Wrong(
        "explain --model resnet18 --subset tiny --weights w.pth",
        4,
        "w.pth holds more than weights, it asks for builtins.exec, which could run code and is not "
        "read: save the network's `state_dict()` with torch.save and give that file.",
        malicious("w.pth", zipped=False),
    ),
    Wrong(
        "explain --model resnet18 --pretrained places365 --subset tiny",
        3,
        "The places365 weights of resnet18 are not in {data}/models: get them with `ccx fetch "
        "places365/resnet18`, give a file with --weights, or try `ccx demo`, which needs none.",
    ),
]
ACTIVATIONS = [
    Wrong(
        "explain --subset tiny --activations nowhere.npy",
        3,
        "--activations nowhere.npy: there is no file nowhere.npy, check the path.",
    ),
    Wrong(
        "explain --subset tiny --activations a.txt",
        2,
        "--activations a.txt must be a .npy, .npz, .h5 or .hdf5 file, or FILE.h5:DATASET.",
        file("a.txt", b"1"),
    ),
    Wrong(
        "explain --subset tiny --activations a.npy",
        4,
        "a.npy is no .npy file: write it with numpy.save.",
        file("a.npy", b"noise"),
    ),
    Wrong(
        "explain --subset tiny --activations a.h5",
        4,
        "a.h5 is damaged or no HDF5 file (Unable to synchronously open file (file signature not "
        "found)): copy or write it again.",
        file("a.h5", b"noise"),
    ),
    Wrong(
        "explain --subset tiny --activations a.npy",
        2,
        "a.npy is 2 x 7, but --subset tiny has 6 images: one of the first two axes must be "
        "the images, in the order of the index.",
        array("a.npy", np.ones((2, 7))),
    ),
    Wrong(
        "explain --subset tiny --activations a.npy",
        4,
        "a.npy holds complex128 values: activations are float16, float32, float64 or integers.",
        array("a.npy", np.ones((2, 6), complex)),
    ),
    Wrong(
        "explain --subset tiny --activations a.npy",
        4,
        "a.npy holds pickled Python objects, which ccx does not load: write an array of "
        "numbers with numpy.save.",
        array("a.npy", np.array([[None] * 6])),
    ),
    Wrong(
        "explain --subset tiny --activations a.npy -q",
        4,
        "a.npy holds nan for unit 0 and image 0 (tiny/000.png): activations are finite float32 "
        "numbers.",
        array("a.npy", np.full((2, 6), np.nan)),
    ),
    Wrong(
        "explain --subset tiny --activations-axes units-first",
        2,
        "--activations-axes units-first describes a file: add --activations FILE.",
    ),
    Wrong(
        "explain --subset tiny --grid 4x4",
        2,
        "--grid 4x4 describes a file: add --activations FILE.npz.",
    ),
    Wrong(
        "explain --subset tiny --grid 4:4 --activations a.npz",
        2,
        "--grid 4:4 is not a size in cells, such as 224, or 224x160 for height x width, of at most "
        "4096.",
        file("a.npz", b"1"),
    ),
    Wrong(
        "explain --subset tiny --grid 4x4 --activations a.npy",
        2,
        "--grid describes a .npz file, and a.npy is none: leave it out.",
        array("a.npy", np.ones((2, 6))),
    ),
    Wrong(
        "explain --subset tiny --activations a.npz",
        4,
        "a.npz is damaged or no .npz file (File is not a zip file): copy or write it again.",
        file("a.npz", b"1"),
    ),
]
SETTINGS = [
    Wrong(
        "explain TINY --config nowhere.toml",
        3,
        "--config nowhere.toml is not there: check the path.",
    ),
    Wrong(
        "explain TINY --config c.toml",
        2,
        "c.toml cannot be read as TOML ({library}): mend or remove it.",
        file("c.toml", b"a = ["),
    ),
    Wrong(
        "explain TINY --config c.toml",
        4,
        "c.toml is not text in UTF-8: mend or remove it.",
        file("c.toml", b"\xff"),
    ),
    Wrong(
        "explain TINY --config c.toml",
        2,
        "c.toml has the key modl, which is unknown, did you mean model or model-arg?",
        file("c.toml", b"modl = 1"),
    ),
    Wrong(
        "explain TINY --config c.toml",
        2,
        'c.toml: num-clusters must be a whole number, not "few".',
        file("c.toml", b"num-clusters = 'few'"),
    ),
    Wrong(
        "explain TINY --config c.toml",
        2,
        "--length 0 must be 1 or more. (--length is set by c.toml, explain.length.)",
        file("c.toml", b"[explain]\nlength = 0"),
    ),
    Wrong(
        "explain TINY --config c.toml",
        2,
        "c.toml has the table expalin, which is no command, did you mean explain?",
        file("c.toml", b"[expalin]\nlength = 1"),
    ),
]
RESULTS = [
    Wrong(
        "metrics",
        4,
        "{data}/results/{run}/explanations.jsonl, line 2 is damaged "
        "(JSON is malformed: invalid character (byte 4)): "
        "delete that line and run the command again, which computes its unit again.",
        line(b"noise\n"),
    ),
    Wrong(
        "metrics",
        4,
        "{data}/results/{run}/explanations.jsonl, line 2 is damaged "
        "(Object missing required field 'unit'): "
        "delete that line and run the command again, which computes its unit again.",
        line(b"{}\n"),
    ),
    Wrong(
        "summary",
        4,
        "{data}/results/{run}/explanations.jsonl, line 2 is damaged "
        "(JSON is malformed: invalid character (byte 0)): "
        "delete that line and run the command again, which computes its unit again.",
        line(b"\xff\xfe\n"),
    ),
    Wrong(
        "explain TINY -q",
        4,
        "{data}/results/{run}/explanations.jsonl, line 2 is damaged "
        "(Expected 'int' >= 0 - at '$.unit'): "
        "delete that line and run the command again, which computes its unit again.",
        line(b'{"unit": -1, "cluster": 0, "num_ranges": 1}\n'),
    ),
    Wrong(
        "summary",
        4,
        "{data}/results/{run}/header.json is damaged: run the `ccx explain` that made it "
        "again, which writes it again and keeps the lines.",
        stored("header.json", b"{"),
    ),
    Wrong(
        "metrics",
        4,
        "{data}/results/{run}/header.json is not a header of this version of ccx: move "
        "{data}/results/{run} away and run the command again.",
        stored("header.json", b'{"format": "ccx-results", "version": 9}'),
    ),
    Wrong(
        "metrics - -q",
        4,
        "Line 1 of the input is not an explanation (JSON is malformed: invalid character (byte "
        "4)): send in the records that `ccx explain --format jsonl` and `jq -c` write, one a line.",
        stdin=b"noise\n",
    ),
    Wrong(
        "metrics - -q",
        3,
        "The input holds no explanations: pipe in what `ccx explain --format jsonl` writes.",
        stdin=b"",
    ),
    Wrong(
        "metrics - -q",
        4,
        "Line 1 of the input is not an explanation (JSON is malformed: invalid character (byte "
        "0)): send in the records that `ccx explain --format jsonl` and `jq -c` write, one a line.",
        stdin=b"\xff\n",
    ),
    Wrong(
        "metrics - -q",
        4,
        "Line 1 of the input is not an explanation (Object missing required field 'formula'): "
        "send in the records that `ccx explain --format jsonl` and `jq -c` write, one a line.",
        stdin=b'{"unit": 0, "cluster": 7}\n',
    ),
    Wrong(
        "metrics - --units 1",
        2,
        "- and --units or --random-units are mutually exclusive.",
        stdin=b"",
    ),
]
IMPORTS = [
    Wrong(
        "import coco nowhere.json . --root-datasets new -q",
        3,
        "nowhere.json cannot be read: give the JSON file of annotations.",
    ),
    Wrong(
        "import coco a.json . --root-datasets new -q",
        4,
        "a.json is not JSON from line 1, column 2 on: correct or restore it.",
        file("a.json", b"{"),
    ),
    Wrong(
        "import coco a.json . --root-datasets new -q",
        4,
        "a.json is not a COCO JSON file: give one of annotations.",
        file("a.json", b"[]"),
    ),
    Wrong(
        "import coco a.json . --root-datasets new -q",
        4,
        "a.json is not a COCO JSON file of instances or panoptic annotations (images must "
        "be a list of objects): give one that is.",
        file("a.json", b'{"images": 1, "annotations": [], "categories": []}'),
    ),
    Wrong(
        "import coco a.json nowhere --root-datasets new -q",
        3,
        "The folder nowhere does not exist: give the folder of the photographs.",
        file(
            "a.json",
            COCO,
        ),
    ),
    Wrong(
        "import coco a.json . --root-datasets new -q",
        3,
        "None of the photographs that a.json annotates is in ., such as '../a.jpg': give their "
        "folder, or make the names the same.",
        file(
            "a.json",
            COCO.replace(b"a.jpg", b"../a.jpg"),
        ),
    ),
    Wrong(
        "import folder . --labels object --root-datasets new -q",
        2,
        "--labels object must be CATEGORY=FOLDER, such as object=masks.",
    ),
    Wrong(
        "import folder . --labels object=. --root-datasets new -q",
        2,
        "--labels object=. needs a names file: add --names object=FILE.",
    ),
    Wrong(
        "import folder nowhere --labels object=. --root-datasets new -q",
        2,
        "--labels object=. needs a names file: add --names object=FILE.",
    ),
    Wrong(
        "import folder {data}/datasets/broden1_224/images/tiny --labels object=nowhere "
        "--root-datasets new -q",
        2,
        "--labels object=nowhere needs a names file: add --names object=FILE.",
    ),
    Wrong(
        "import voc . . --root-datasets new",
        2,
        "Missing option '--names': `ccx import voc --help` lists what there is.",
    ),
    Wrong(
        "import voc {data}/datasets/broden1_224/images/tiny . --names names.txt "
        "--root-datasets new -q",
        3,
        "The names file names.txt cannot be read: give another.",
    ),
    Wrong(
        "import voc {data}/datasets/broden1_224/images/tiny "
        "{data}/datasets/broden1_224/images/tiny --names names.txt --root-datasets new -q",
        3,
        "{data}/datasets/broden1_224/images/tiny contains only PNGs that are taken for label PNGs: "
        "give another folder, or say how the names of label PNGs end with --suffix.",
        file("names.txt", b"one two"),
    ),
    Wrong(
        "import voc {data}/datasets/broden1_224/images/tiny . --names names.txt "
        "--root-datasets new -q",
        3,
        ". contains no label PNGs (.png), only .npy, .txt: give another folder, or convert these.",
        lambda place: (array("0.npy", [[1]])(place), file("names.txt", b"1 cat")(place)),
    ),
    Wrong(
        "import imagefolder . --root-datasets new -q",
        3,
        ". contains no photographs (.avif, .bmp, .gif, .heic, .heif, .jfif, .jp2, .jpe, .jpeg, "
        ".jpg, .jxl, .mpo, .pbm, .pgm, .png, .pnm, .ppm, .tga, .tif, .tiff, .webp): give another "
        "folder.",
    ),
    Wrong(
        "import imagefolder nowhere --root-datasets new -q",
        3,
        "The folder nowhere does not exist: give the folder of the photographs.",
    ),
    Wrong(
        "import ade20k . --root-datasets new -q",
        3,
        ". contains no ADE20K annotations (*_seg.png): give the folder of the full dataset, "
        "images/ADE, or import the PNGs of ADEChallengeData2016 with `ccx import folder`.",
    ),
    Wrong(
        "import folder . --labels object=. --names names.txt --subset tiny",
        2,
        "--subset tiny names images of {data}/datasets/broden1_224 already: choose another name, "
        "or import into another folder with --root-datasets.",
    ),
    Wrong(
        "import imagefolder {data}/datasets/broden1_224/images --val-share 2 --root-datasets new",
        2,
        "--val-share 2.0 must be from 0 to 1.",
    ),
    Wrong(
        "import imagefolder {data}/datasets/broden1_224/images --category a;b --root-datasets new",
        2,
        "'a;b' cannot name a category: use letters, digits and -, such as object, "
        "part, material, scene or texture.",
    ),
]
