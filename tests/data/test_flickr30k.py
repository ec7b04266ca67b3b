"""Flickr30k in its four published formats gives one data set, and retrieval on it the same ranks.

The lines follow each file's published convention: Karpathy's ``dataset_flickr30k.json``, the
authors' ``results_20130124.token``, Kaggle's ``results.csv`` (one row of which lacks its second
bar), and ``flickr30k_test_karpathy.txt`` of CLIP_benchmark.
"""

from __future__ import annotations

import json

import pytest
from pictures import save

import csparc.data

CAPTIONS = {
    "1000092795.jpg": ["Two young guys with shaggy hair look at their hands .",
                       "Two young , White males are outside near many bushes ."],
    "4429660617.jpg": ["A dog runs across the grass .",
                       "The dog is running , with a toy in its mouth ."],
}  # fmt: skip


def token(root) -> str:
    lines = [f"{name}#{n}\t{text}" for name, own in CAPTIONS.items() for n, text in enumerate(own)]
    (root / "results_20130124.token").write_text("\n".join(lines))
    return f"folder:{root};captions=results_20130124.token"


def kaggle(root) -> str:
    lines = [f"{name}| {n}| {text}" for name, own in CAPTIONS.items() for n, text in enumerate(own)]
    lines[2] = lines[2].replace("| 0| A dog", "| 0   A dog")
    (root / "results.csv").write_text("\n".join(["image_name| comment_number| comment", *lines]))
    return f"folder:{root};captions=results.csv"


def clip_benchmark(root) -> str:
    lines = [f"{name},{text}" for name, own in CAPTIONS.items() for text in own]
    (root / "flickr30k_test_karpathy.txt").write_text("\n".join(["image,caption", *lines]))
    return f"folder:{root};captions=flickr30k_test_karpathy.txt"


def karpathy(root) -> str:
    images = []
    for number, (name, own) in enumerate(CAPTIONS.items()):
        sentences = [
            {"tokens": text.split(), "raw": text, "imgid": number, "sentid": 5 * number + k}
            for k, text in enumerate(own)
        ]
        images.append({"sentids": [5 * number, 5 * number + 1], "imgid": number, "split": "test",
                       "sentences": sentences, "filename": name})  # fmt: skip
    text = json.dumps({"images": images, "dataset": "flickr30k"})
    (root / "dataset_flickr30k.json").write_text(text)
    return f"karpathy:{root},{root / 'dataset_flickr30k.json'},test"


@pytest.mark.parametrize("write", [token, kaggle, clip_benchmark, karpathy])
def test_each_format_gives_the_same_data(tmp_path, write):
    for number, name in enumerate(CAPTIONS):
        save(tmp_path / name, number)
    data = csparc.data.open(write(tmp_path))
    found = {data.name(index): data.captions(index) for index in range(len(data))}
    assert found == CAPTIONS
    assert len(data.problems) == 0


@pytest.mark.parametrize("write", [token, kaggle, clip_benchmark])
def test_a_damaged_line_is_one_bad_item(tmp_path, write):
    for number, name in enumerate(CAPTIONS):
        save(tmp_path / name, number)
    spec = write(tmp_path)
    path = tmp_path / spec.rpartition("=")[2]
    path.write_text(f"{path.read_text()}\nno picture here\n")
    data = csparc.data.open(spec, max_bad=0.5)
    assert len(data) == 2
    assert list(data.problems.reasons) == [f"{path} line {len(path.read_text().splitlines())}"]
