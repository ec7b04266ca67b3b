"""``csparc convert``: weights of CLIP and SigLIP from one program's files to another's."""

from __future__ import annotations

import argparse

from csparc.cli import common


def register(commands, shared: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "convert",
        parents=[shared],
        help="convert weights of CLIP and SigLIP: open_clip, Hugging Face, csparc",
        description="Read weights that open_clip, transformers or csparc wrote (safetensors, or "
        "torch's own files through its weights-only loader) and write them for another. Every name "
        "and shape is checked before anything is written.",
    )
    parser.add_argument(
        "source", metavar="IN", help="a file with weights, a folder with one, or a run's folder"
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        help="a new folder (open_clip, hf), or a .safetensors file (csparc)",
    )
    parser.add_argument("--to", required=True, choices=("open_clip", "hf", "csparc"))
    parser.add_argument(
        "--activation",
        choices=("gelu", "quick_gelu", "gelu_tanh"),
        help="of both towers, where no configuration lies beside the file, or instead of what it "
        "says",
    )
    parser.add_argument(
        "--tokenizer",
        metavar="FILE",
        help="tokenizer.json, vocab.json or BPE merges (default: the one beside IN)",
    )
    parser.add_argument(
        "--dtype",
        choices=("fp32", "fp16", "bf16"),
        default="fp32",
        help="of the numbers written, for open_clip and hf (default fp32)",
    )
    parser.add_argument(
        "--image-size", type=common.positive_int, metavar="N", help="interpolate positions to it"
    )
    parser.add_argument(
        "--context-length",
        type=common.positive_int,
        metavar="N",
        help="most tokens of a caption: cut positions off, or interpolate them to more",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from csparc.weights.converting import convert

    if arguments.to == "csparc":
        common.check_writable(arguments.out)
    model, path = convert(
        arguments.source,
        arguments.out,
        arguments.to,
        activation=arguments.activation,
        tokenizer=arguments.tokenizer,
        dtype=arguments.dtype,
        image_size=arguments.image_size,
        context_length=arguments.context_length,
    )
    print(model)
    print(path)
    return 0
