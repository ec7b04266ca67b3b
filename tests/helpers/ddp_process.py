"""One of several processes that train a pair of layers on a loss of the whole batch.

    python ddp_process.py RANK PROCESSES LOSS BATCH.npz RESULT.npz

Gloo, one file beside the batch to meet at. Writes the loss, and the gradients that
DistributedDataParallel leaves, by parameter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import csparc
import csparc.torch as ct
from csparc.losses import LOSSES


class Towers(nn.Module):
    """A layer each for pictures and captions, and the loss."""

    def __init__(self, loss: str, options: dict, D: int, **how) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = nn.Linear(D, D), nn.Linear(D, D)
        self.loss = getattr(ct, LOSSES[loss].__name__)(embed_dim=D, **options, **how)
        self.double()

    def forward(self, given: dict, **masks) -> torch.Tensor:
        towers = {"patches": self.image, "image_global": self.image}
        return self.loss(**{n: towers.get(n, self.text)(x) for n, x in given.items()}, **masks)


def gradients(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}


def main(rank: str, processes: str, loss: str, batch: str, result: str) -> None:
    import tensor_calls

    torch.set_num_threads(1)
    csparc.set_num_threads(1)
    store = Path(batch).with_suffix(".store")
    torch.distributed.init_process_group(
        "gloo", init_method=store.as_uri(), rank=int(rank), world_size=int(processes)
    )
    drawn = dict(np.load(batch))
    own = {
        name: torch.from_numpy(np.split(array, int(processes))[int(rank)])
        for name, array in drawn.items()
    }
    given = {name: own.pop(name) for name in LOSSES[loss].inputs if name in own}
    model = Towers(loss, tensor_calls.options(loss), tensor_calls.D, gather_with_grad=True)
    parallel = nn.parallel.DistributedDataParallel(model)
    value = parallel(given, **own)
    value.backward()
    np.savez(result, value=value.item(), **gradients(model))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
