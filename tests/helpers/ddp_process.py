"""One of several processes that train a pair of layers on a loss of the whole batch.

    python ddp_process.py RANK PROCESSES FOLDER

Gloo; they meet at a file in the folder. For every "LOSS MORE.batch.npz" there, it writes
"LOSS MORE.RANK.npz": the loss, and the gradients that DistributedDataParallel leaves, by parameter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import csparc
import csparc.torch as ct
from csparc.interop.calls import EXTRA
from csparc.losses import LOSSES
from csparc.losses.base import INPUTS


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


def main(rank: str, processes: str, folder: str) -> None:
    import tensor_calls

    torch.set_num_threads(1)
    csparc.set_num_threads(1)
    own, all_of = int(rank), int(processes)
    store = Path(folder) / "meeting"
    torch.distributed.init_process_group(
        "gloo", init_method=store.as_uri(), rank=own, world_size=all_of
    )
    for batch in sorted(Path(folder).glob("*.batch.npz")):
        loss = batch.name.split(".")[0].split()[0]
        given = {
            name: torch.from_numpy(np.split(array, all_of)[own])
            for name, array in np.load(batch).items()
        }
        arrays = {name: given.pop(name) for name in (*INPUTS, EXTRA) if name in given}
        model = Towers(loss, tensor_calls.options(loss), tensor_calls.D, gather_with_grad=True)
        parallel = nn.parallel.DistributedDataParallel(model)
        value = parallel(arrays, **given)
        value.backward()
        result = batch.name.replace("batch", rank)
        np.savez(batch.with_name(result), value=value.item(), **gradients(model))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
