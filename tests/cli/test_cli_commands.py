"""Every command end to end, on a model trained for three steps by the command itself."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import csparc as public
from csparc.cli import main as cli
from csparc.evaluate import evaluate_retrieval

for needed in ("PIL", "tokenizers", "safetensors", "tqdm", "matplotlib"):
    pytest.importorskip(needed)

READS = ["eval retrieval --json x.json", "eval grounding --json x.json", "encode --out x.npz"]


def csparc(*arguments, **options):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "csparc", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of three steps on small scenes, made by the command itself."""
    folder = tmp_path_factory.mktemp("a run") / "run"
    done = csparc(
        "train",
        "--train-data",
        "scenes:tier=S;size=24",
        "--val-data",
        "scenes:tier=S;size=8;split=val",
        "--steps",
        "3",
        "--batch-size",
        "8",
        "--vocab-size",
        "300",
        "--loss-opt",
        "local_weight=2",
        "--out",
        str(folder),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(folder)
    assert "text_to_image_R@1" in done.stdout
    assert "Traceback" not in done.stderr
    return folder


def test_train_leaves_a_log_and_a_checkpoint(trained):
    steps = [json.loads(line)["step"] for line in (trained / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]
    assert (trained / "checkpoints" / "last.safetensors").is_file()


def test_train_goes_on_where_it_was_and_does_not_overwrite(trained, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    same = [
        "train",
        "--train-data",
        "scenes:tier=S;size=24",
        "--batch-size",
        "8",
        "--vocab-size",
        "300",
        "--loss-opt",
        "local_weight=2",
        "--out",
        str(folder),
    ]
    refused = csparc(*same, "--steps", "3")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    done = csparc(*same, "--steps", "4", "--resume", "latest")
    assert done.returncode == 0, done.stderr
    assert len((folder / "log.jsonl").read_text().splitlines()) == 4


def test_train_takes_options_of_model_and_pictures(tmp_path):
    folder = tmp_path / "run"
    options = "--model-opt causal=true --model-opt text.layers=1 --aug-scale 0.5 --aug-shift 2"
    colours = "--image-mean .2 .2 .2 --image-std .1 .1 .1 --loss-specials"
    done = csparc(
        *f"train --train-data scenes:tier=S;size=16 --steps 1 --batch-size 8 {options}".split(),
        *colours.split(),
        "--loss",
        "filip",
        "--out",
        str(folder),
    )
    assert done.returncode == 0, done.stderr
    model, _, metadata = public.load_checkpoint(folder)
    assert model.config.causal
    assert model.config.global_pool == "mean"  # FILIP trains no image vector
    assert model.config.text.layers == 1
    assert metadata.preprocess["mean"] == [0.2, 0.2, 0.2]
    figures = {}
    for score in ("global", "own"):
        file = tmp_path / f"{score}.json"
        command = ["eval", "retrieval", "--checkpoint", str(folder), "--score", score]
        data = "scenes:tier=S;size=40;split=test"
        assert cli.main([*command, "--data", data, "--json", str(file)]) == 0
        figures[score] = json.loads(file.read_text())
        assert figures[score]["config"]["score"] == score
    ranks = [found["text_to_image_mean_rank"] for found in figures.values()]
    assert ranks[0] != ranks[1]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--model", "huge"], "expected one of nano-local, nano, tiny"),
        (["--loss", "l2"], "expected one of sparc, clip"),
        (["--loss-opt", "sigma=often"], "sigma"),
        (["--wd", "-1"], "wd"),
        (["--batch-size", "999"], "batch_size"),
        (["--model-opt", "causal=maybe"], "model-opt causal: expected bool, found 'maybe'"),
        (["--model-opt", "depth=3"], "model-opt: expected key=value with one of image_size"),
        (["--model-opt", "image.width=30"], "image.heads: expected a divisor of image.width"),
        (["--image-std", "1", "0", "1"], "std"),
    ],
)
def test_train_names_a_wrong_setting(option, message, tmp_path, capsys):
    arguments = [
        "train",
        "--train-data",
        "scenes:tier=S;size=24",
        "--steps",
        "1",
        "--vocab-size",
        "300",
        "--out",
        str(tmp_path / "run"),
        *option,
    ]
    assert cli.main(arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_eval_retrieval_prints_and_writes_the_same_figures(trained, tmp_path, capsys):
    file = tmp_path / "r.json"
    assert (
        cli.main(
            [
                "eval",
                "retrieval",
                "--checkpoint",
                str(trained),
                "--data",
                "scenes:tier=S;size=12;split=test",
                "--json",
                str(file),
            ]
        )
        == 0
    )
    found = json.loads(file.read_text())
    assert found["n_images"] == 12
    assert found["n_texts"] == 60
    assert found["chance"]["text_to_image_R@1"] == pytest.approx(100 / 12)
    assert found["config"]["data"].startswith("scenes:tier=S")
    assert f"{found['image_to_text_R@5']:.2f}" in capsys.readouterr().out


def test_eval_refuses_the_own_score_of_a_loss_without(trained, capsys):
    command = ["eval", "retrieval", "--checkpoint", str(trained), "--score", "own"]
    assert cli.main([*command, "--data", "scenes:tier=S;size=4;split=test"]) == 2
    said = capsys.readouterr().err
    assert "filip or pacl or" in said
    assert "found sparc" in said


def test_encode_writes_what_evaluation_uses(trained, tmp_path, capsys):
    out = tmp_path / "f.npz"
    data = "scenes:tier=S;size=12;split=test"
    assert (
        cli.main(
            [
                "encode",
                "--checkpoint",
                str(trained / "checkpoints" / "last.safetensors"),
                "--data",
                data,
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    with np.load(out, allow_pickle=False) as stored:
        arrays = dict(stored)
    assert arrays["image_features"].shape == (12, 64)
    assert np.linalg.norm(arrays["text_features"], axis=1) == pytest.approx(1.0, abs=1e-5)
    assert arrays["image_names"].tolist()[3] == "test/3"
    file = tmp_path / "r.json"
    cli.main(
        ["eval", "retrieval", "--checkpoint", str(trained), "--data", data, "--json", str(file)]
    )
    again = evaluate_retrieval(
        arrays["image_features"], arrays["text_features"], arrays["image_index"]
    )
    found = json.loads(file.read_text())
    assert all(found[key] == again[key] for key in again if "_R@" in key)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_align_draws_a_picture(ending, trained, tmp_path):
    from PIL import Image

    Image.new("RGB", (50, 40), (200, 30, 30)).save(tmp_path / "in.png")
    out = tmp_path / f"out.{ending}"
    assert (
        cli.main(
            [
                "align",
                "--checkpoint",
                str(trained),
                "--image",
                str(tmp_path / "in.png"),
                "--caption",
                "a red $circle_",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.png", b"not a picture"),
        ("missing.png", None),
    ],
)
def test_align_names_a_picture_it_cannot_read(name, content, trained, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert (
        cli.main(
            [
                "align",
                "--checkpoint",
                str(trained),
                "--image",
                str(tmp_path / name),
                "--caption",
                "a",
                "--out",
                str(tmp_path / "o.png"),
            ]
        )
        == 2
    )
    printed = capsys.readouterr().err
    assert name in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("command", READS)
def test_a_missing_checkpoint_is_named(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [*command.split(), "--checkpoint", "no-such-run", "--data", "scenes:size=8"]
    assert cli.main(arguments) == 2
    assert "no-such-run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_info_lists_every_model(capsys):
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for name in public.list_models():
        assert f"\n{name} " in printed


def test_info_of_a_model_adds_up(capsys):
    assert cli.main(["info", "nano"]) == 0
    printed = capsys.readouterr().out
    model = public.create_model("nano")
    total = sum(parameter.data.size for parameter in model.parameters.values())
    assert f"{total:,}" in printed
