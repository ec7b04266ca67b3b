"""COCO captions and Karpathy split files that are wrong somewhere; ``a.png`` exists."""

from __future__ import annotations

import json

_IMAGE = {"id": 1, "file_name": "a.png"}
_ANNOTATION = {"id": 1, "image_id": 1, "caption": "a red square"}
_ENTRY = {"filename": "a.png", "split": "train", "sentences": [{"raw": "a red square"}]}


def _coco(images: object = None, annotations: object = None) -> bytes:
    record = {"images": [_IMAGE], "annotations": [_ANNOTATION]}
    record["images"] = [_IMAGE] if images is None else images
    record["annotations"] = [_ANNOTATION] if annotations is None else annotations
    return json.dumps(record).encode()


def _karpathy(*entries: object) -> bytes:
    return json.dumps({"images": list(entries), "dataset": "x"}).encode()


GOOD_COCO = _coco()
GOOD_KARPATHY = _karpathy(_ENTRY)

# What no JSON reader may take, whatever the layout.
_ANY: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n",
    "null": b"null",
    "a number": b"7",
    "a text": b'"images"',
    "a list": b"[]",
    "an empty object": b"{}",
    "truncated": GOOD_COCO[:-5],
    "cut in a text": GOOD_COCO[:30],
    "two values": b"{} {}",
    "trailing comma": b'{"images": [],}',
    "single quotes": b"{'images': []}",
    "NaN": b'{"images": [NaN]}',
    "Infinity": b'{"images": Infinity}',
    "minus Infinity": b'{"images": [-Infinity]}',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"images":' * 100_000,
    "deep and closed": b'{"images":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of many digits": b'{"images": ' + b"9" * 100_000 + b"}",
    "UTF-16 cut in a letter": GOOD_COCO.decode().encode("utf-16")[:-1],
    "Latin-1": b'{"images": "\xe4"}',
    "NUL bytes": b"\0" * 1000,
    "NUL inside": b'{"images"\0: []}',
    "a control character in a text": b'{"images": "\x01"}',
    "bad escape": b'{"images": "\\x"}',
    "bad unicode escape": b'{"images": "\\u12"}',
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "a gzip": b"\x1f\x8b\x08" + bytes(50),
    "comments": b'{"images": [] /* none */}',
    "images missing": b'{"annotations": [], "info": {}}',
    "images null": b'{"images": null, "annotations": []}',
    "images an object": b'{"images": {"1": {}}, "annotations": []}',
    "images a text": b'{"images": "a.png", "annotations": []}',
    "no images": b'{"images": [], "annotations": []}',
}

COCO: dict[str, bytes] = {
    **_ANY,
    "annotations missing": b'{"images": []}',
    "annotations null": b'{"images": [], "annotations": null}',
    "annotations an object": b'{"images": [], "annotations": {}}',
    "no annotations": _coco(annotations=[]),
    "images are texts": _coco(images=["a.png"]),
    "image without id": _coco(images=[{"file_name": "a.png"}]),
    "image without file_name": _coco(images=[{"id": 1}]),
    "file_name a number": _coco(images=[{"id": 1, "file_name": 5}]),
    "file_name null": _coco(images=[{"id": 1, "file_name": None}]),
    "file_name empty": _coco(images=[{"id": 1, "file_name": ""}]),
    "file_name with NUL": _coco(images=[{"id": 1, "file_name": "a\0.png"}]),
    "file_name half a surrogate": _coco(images=[{"id": 1, "file_name": "\ud800.png"}]),
    "file_name absolute": _coco(images=[{"id": 1, "file_name": "/etc/hostname"}]),
    "file_name outside": _coco(images=[{"id": 1, "file_name": "../a.png"}]),
    "file_name a folder": _coco(images=[{"id": 1, "file_name": "b/.."}]),
    "file_name of nothing": _coco(images=[{"id": 1, "file_name": "none.png"}]),
    "id a fraction": _coco(images=[{"id": 1.5, "file_name": "a.png"}]),
    "id a list": _coco(images=[{"id": [1], "file_name": "a.png"}]),
    "id true": _coco(images=[{"id": True, "file_name": "a.png"}]),
    "id beyond floats": b'{"images": [{"id": 1e999, "file_name": "a.png"}], "annotations": []}',
    "ids of two kinds": _coco(images=[{"id": "1", "file_name": "a.png"}]),
    "annotations are texts": _coco(annotations=["a red square"]),
    "caption missing": _coco(annotations=[{"image_id": 1}]),
    "caption null": _coco(annotations=[{"image_id": 1, "caption": None}]),
    "caption a list": _coco(annotations=[{"image_id": 1, "caption": ["x"]}]),
    "caption blank": _coco(annotations=[{"image_id": 1, "caption": " \n"}]),
    "caption with NUL": _coco(annotations=[{"image_id": 1, "caption": "a\0b"}]),
    "caption half a surrogate": _coco(annotations=[{"image_id": 1, "caption": "\udc00"}]),
    "image_id missing": _coco(annotations=[{"caption": "x"}]),
    "image_id unknown": _coco(annotations=[{"image_id": 2, "caption": "x"}]),
    "image_id an object": _coco(annotations=[{"image_id": {}, "caption": "x"}]),
    "Karpathy's layout": GOOD_KARPATHY,
}

KARPATHY: dict[str, bytes] = {
    **_ANY,
    "entry a text": _karpathy("a.png"),
    "entry a list": _karpathy([_ENTRY]),
    "other splits": _karpathy({**_ENTRY, "split": "test"}),
    "split missing": _karpathy({"filename": "a.png", "sentences": [{"raw": "x"}]}),
    "split null": _karpathy({**_ENTRY, "split": None}),
    "split a list": _karpathy({**_ENTRY, "split": ["train"]}),
    "filename missing": _karpathy({"split": "train", "sentences": [{"raw": "x"}]}),
    "filename a number": _karpathy({**_ENTRY, "filename": 4}),
    "filename empty": _karpathy({**_ENTRY, "filename": ""}),
    "filename absolute": _karpathy({**_ENTRY, "filename": "/etc/hostname"}),
    "filename outside": _karpathy({**_ENTRY, "filename": "../a.png"}),
    "filename of nothing": _karpathy({**_ENTRY, "filename": "none.png"}),
    "filepath outside": _karpathy({**_ENTRY, "filepath": ".."}),
    "filepath a number": _karpathy({**_ENTRY, "filepath": 3}),
    "filepath of nothing": _karpathy({**_ENTRY, "filepath": "none"}),
    "sentences missing": _karpathy({"filename": "a.png", "split": "train"}),
    "sentences null": _karpathy({**_ENTRY, "sentences": None}),
    "sentences a text": _karpathy({**_ENTRY, "sentences": "x"}),
    "sentences empty": _karpathy({**_ENTRY, "sentences": []}),
    "sentences numbers": _karpathy({**_ENTRY, "sentences": [1, 2]}),
    "raw missing": _karpathy({**_ENTRY, "sentences": [{"tokens": ["x"]}]}),
    "raw blank": _karpathy({**_ENTRY, "sentences": [{"raw": " "}]}),
    "raw a list": _karpathy({**_ENTRY, "sentences": [{"raw": ["x"]}]}),
    "raw with NUL": _karpathy({**_ENTRY, "sentences": [{"raw": "\0"}]}),
    "raw half a surrogate": _karpathy({**_ENTRY, "sentences": [{"raw": "\ud83d"}]}),
    "COCO's layout": GOOD_COCO,
}
