"""In a training loop of open_clip's, csparc's loss leaves the weights that open_clip's leaves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

import weight_peers  # noqa: E402

open_clip = weight_peers.peer("open_clip")
training = pytest.importorskip("open_clip_train.train")

from csparc.torch import ClipLoss  # noqa: E402

B, STEPS = 8, 3


class Batches(list):
    """What open_clip's loop asks of a data loader."""

    num_batches, num_samples = STEPS, STEPS * B


def weights(loss):
    """Of a small model after an epoch of open_clip's loop with this loss."""
    torch.manual_seed(0)
    model = open_clip.model.CLIP(
        embed_dim=16,
        vision_cfg={"image_size": 32, "patch_size": 8, "layers": 1, "width": 32, "head_width": 16},
        text_cfg={"context_length": 8, "vocab_size": 50, "layers": 1, "width": 32, "heads": 2},
        output_dict=True,
    )
    batches = Batches(
        (torch.randn(B, 3, 32, 32), torch.randint(1, 50, (B, 8))) for _ in range(STEPS)
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-6)
    args = SimpleNamespace(
        device="cpu", precision="fp32", distill=False, accum_freq=1, skip_scheduler=True,
        grad_clip_norm=None, horovod=False, batch_size=B, world_size=1, rank=0, local_rank=0,
        log_every_n_steps=1, wandb=False, save_logs=False, log_local=False,
    )  # fmt: skip
    data = {"train": SimpleNamespace(dataloader=batches, set_epoch=lambda epoch: None)}
    training.train_one_epoch(model, data, loss, 0, optimiser, None, None, None, args)
    return dict(model.named_parameters())


def test_in_place_of_its_loss():
    theirs = weights(open_clip.ClipLoss())
    ours = weights(ClipLoss(learn_logit_scale=False))
    for name, weight in theirs.items():
        pair = [ours[name], weight]
        if name.endswith("in_proj_bias"):
            # A softmax does not see a bias of the keys: its gradient is 0 but for rounding, of
            # which AdamW makes whole steps.
            thirds = [bias.chunk(3) for bias in pair]
            pair = [torch.cat([queries, values]) for queries, _, values in thirds]
        torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-4, msg=name)
