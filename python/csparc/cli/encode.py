"""``csparc encode``: the embeddings of a data set as a NumPy archive, or features of its towers."""

from __future__ import annotations

import argparse

from csparc.cli import common, encode_features


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "encode",
        parents=[shared],
        help="write the embeddings of a data set",
        description="Write normalised embeddings to a NumPy archive: image_features [N, D], "
        "text_features [M, D], image_index [M] (the picture of each caption), "
        "image_names [N]. With --patches write a folder of features that heads are trained on.",
    )
    common.add_checkpoint(parser)
    common.add_data(parser)
    common.add_reading(parser)
    parser.add_argument("--batch-size", type=common.positive_int, default=64, metavar="N")
    parser.add_argument("--out", required=True, metavar="FILE.npz|DIR")
    encode_features.add(parser)
    common.add_precision(parser)
    common.add_threads(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    encode_features.check(arguments)
    if arguments.patches:
        return encode_features.run(arguments)
    out = common.check_writable(arguments.out)
    import numpy as np

    from csparc._progress import Progress
    from csparc.cli.session import load_session
    from csparc.evaluate.encode import encode_dataset

    common.use_threads(arguments.threads)
    session = load_session(arguments.checkpoint, arguments.precision)
    data = common.open_data(arguments.data, arguments)
    with Progress("encoding", len(data), "picture") as progress:
        features = encode_dataset(
            session.model,
            session.tokenizer,
            data,
            session.preprocess,
            batch_size=arguments.batch_size,
            progress=progress.to,
        )
    with common.writing(out), open(out, "wb") as file:
        np.savez(
            file,
            image_features=features.image_features,
            text_features=features.text_features,
            image_index=features.image_index,
            image_names=np.array([data.name(int(item)) for item in features.items]),
        )
    if len(features.problems):
        print(features.problems.summary())
    print(
        f"{len(features.image_features)} pictures and {len(features.text_features)} captions "
        f"of width {features.image_features.shape[1]}"
    )
    print(out)
    return 0
