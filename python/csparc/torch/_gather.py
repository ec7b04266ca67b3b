"""The batch of all processes, with gradients, as open_clip's ``--gather-with-grad``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def gathered(
    tensors: Mapping[str, Tensor], others: Mapping[str, Any], group: Any = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Inputs, and masks and groups, of all processes, one after the other by rank.

    Every process then computes the same loss. The gradient that comes back to an input is the sum
    over the processes; DistributedDataParallel divides by their number, and what is left is the
    gradient of one process with the whole batch.

    Raises
    ------
    RuntimeError
        No process group.
    ValueError
        Processes with different shapes, or of which one gives an argument and another does not.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "gather_with_grad: expected torch.distributed.init_process_group to have been called, "
            "found no process group"
        )
    from torch.distributed.nn.functional import all_gather

    given = {name: torch.as_tensor(value) for name, value in others.items() if value is not None}
    _check_same({**tensors, **given}, group)
    inputs = {
        name: torch.cat(all_gather(x.contiguous(), group))
        if x.is_floating_point()
        else _of_all(x, group)
        for name, x in tensors.items()
    }
    return inputs, {name: _of_all(given[name], group) if name in given else None for name in others}


def _of_all(tensor: Tensor, group: Any) -> Tensor:
    """Without gradients; bools travel as bytes."""
    sent = tensor.to(torch.uint8) if tensor.dtype is torch.bool else tensor
    found = [torch.empty_like(sent) for _ in range(dist.get_world_size(group))]
    dist.all_gather(found, sent.contiguous(), group)
    return torch.cat(found).to(tensor.dtype)


def _check_same(tensors: Mapping[str, Tensor], group: Any) -> None:
    """A collective of tensors that differ would wait for ever, or hand over nonsense."""
    own = {name: (list(x.shape), str(x.dtype)) for name, x in tensors.items()}
    found: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, own, group)
    for rank, other in enumerate(found):
        for name in {**own, **other}:
            if own.get(name) != other.get(name):
                raise ValueError(
                    f"{name}: expected the same shape and dtype in every process, found "
                    f"{own.get(name, 'none')} in this one and {other.get(name, 'none')} in process "
                    f"{rank}: pad to one length, and drop a last batch that is smaller"
                )
