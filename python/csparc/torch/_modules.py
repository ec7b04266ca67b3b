"""Objectives as modules: options fixed, what they learn as parameters."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from csparc.interop.calls import EXTRA, GIVEN, owning_loss, sorted_arguments
from csparc.losses.base import Loss
from csparc.torch._functions import evaluate, named_parts
from csparc.torch._gather import gathered

GLOBALS = ("image_global", "text_global")
OPEN_CLIP_BIAS = "logit_bias"
"""What open_clip's models may return and only one objective takes."""


def _options(loss: Loss) -> dict[str, Any]:
    return {name: value for name, value in loss.config().items() if name != "loss"}


class Objective(nn.Module):
    """An objective of csparc as a module; `csparc.torch` has one class for each.

    Parameters
    ----------
    embed_dim : int, optional
        Width D of the embeddings: needed by an objective that learns arrays (MGCA).
    learn_logit_scale : bool
        Own ``logit_scale`` as a parameter. False: where a call gives none, it stays
        ``initial_logit_scale``.
    gather_with_grad : bool
        Under ``torch.distributed``, compute the loss of the whole batch, in every process: all of
        them hand over their inputs, and gradients come back, as with open_clip's
        ``--gather-with-grad``. False: each process's own batch.
    process_group : ProcessGroup, optional
        Among whom; None: all.
    device : {None, "copy"}
        As in the functions.
    **options
        Those of the class of the same name in `csparc`.

    Attributes
    ----------
    logit_scale : Parameter, scalar
        The logarithm of the scale, as in open_clip. Other scales that are learned
        (``local_logit_scale``) are logarithms too; ``logit_bias`` is the number itself.
    """

    loss_class: type[Loss]

    def __init__(
        self,
        *,
        embed_dim: int | None = None,
        learn_logit_scale: bool = True,
        gather_with_grad: bool = False,
        process_group: Any = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        cls = self.loss_class
        if embed_dim is None and cls.overrides("prepare"):
            raise TypeError(
                f"{cls.__name__}: expected embed_dim, the width D of the embeddings, so that what "
                "it learns exists before the optimiser is made; found None"
            )
        self.loss = owning_loss(cls, options, embed_dim or 0)
        """The objective as `csparc` has it, with these options."""
        self.gather_with_grad, self.process_group = gather_with_grad, process_group
        self.device = device
        self._options, self._apart = _options(self.loss), self.loss.apart()
        start = math.log(cls.initial_logit_scale)
        self.logit_scale = nn.Parameter(torch.tensor(start)) if learn_logit_scale else None
        self._names = list(self.loss.parameters)
        for name, owned in self.loss.parameters.items():
            data = torch.from_numpy(owned.data.copy())
            self._hold(name, nn.Parameter(data.reshape(()) if owned.shape == (1,) else data))

    def _hold(self, name: str, parameter: nn.Parameter) -> None:
        """Under its name; ``word_attention.query`` as ``query`` of a module ``word_attention``."""
        module, *path = self, *name.split(".")
        for part in path[:-1]:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        module.register_parameter(path[-1], parameter)

    def forward(
        self,
        *arrays: Any,
        text_mask: Any = None,
        patch_mask: Any = None,
        logit_scale: Any = None,
        groups: Any = None,
        same_group: str = "exclude",
        output_dict: bool = False,
        return_parts: bool = False,
        **named: Any,
    ) -> Any:
        """The loss of a batch.

        Parameters
        ----------
        *arrays, **named : Tensor
            The inputs of the objective, in their order or by name (``patches``, ``tokens``,
            ``image_global``, ``text_global``, or open_clip's ``image_features``,
            ``text_features``); also what it learns beside ``logit_scale``, such as the
            ``logit_bias`` of open_clip's models, in place of its own. Inputs that it does not read
            are passed over, so that a loop need not know which objective it holds; but for
            ``extra_text_global``, which an objective that takes none refuses.
        text_mask, patch_mask, groups, same_group
            As in the functions.
        logit_scale : float or scalar Tensor, optional
            The number itself, as open_clip's models return it, in place of this module's own.
        output_dict : bool
            Return ``{"contrastive_loss": loss}``, as open_clip's training loop asks for.
        return_parts : bool
            Return (loss, parts by name).
        """
        cls = self.loss_class
        given, options = sorted_arguments(cls, arrays, named, Tensor)
        tensors = {name: given.pop(name) for name in GIVEN if name in given}
        passed_over = {OPEN_CLIP_BIAS} - {*self._names}
        wrong = [n for n in (*given, *options) if n not in self._names and n not in passed_over]
        if wrong:
            raise TypeError(
                f"{wrong[0]}: expected one of the inputs of {cls.__name__} "
                f"({', '.join(cls.inputs)}) or what it learns ({', '.join(self._names)}); options "
                "are given where it is made"
            )
        masks = {
            "text_mask": text_mask if "tokens" in cls.inputs else None,
            "patch_mask": patch_mask if "patches" in cls.inputs else None,
            "groups": groups,
        }
        learned = self._learned(logit_scale)
        learned |= {n: x for n, x in {**given, **options}.items() if n in self._names}
        compute = self._of_all_processes if self.gather_with_grad else self._compute
        loss, parts = compute(tensors, learned, masks, same_group)
        if output_dict:
            return {"contrastive_loss": loss}
        return (loss, named_parts(cls, parts)) if return_parts else loss

    def _learned(self, logit_scale: Any) -> dict[str, Any]:
        """The scale, and what else the objective learns, as the numbers it is called with."""
        own = self.logit_scale
        if logit_scale is None:
            logit_scale = self.loss_class.initial_logit_scale if own is None else own.exp()
        learned = {"logit_scale": logit_scale}
        for name in self._names:
            parameter = self.get_parameter(name)
            learned[name] = parameter.exp() if name in self.loss.scales else parameter
        return learned

    def _compute(
        self,
        tensors: dict[str, Any],
        learned: dict[str, Any],
        masks: dict[str, Any],
        same_group: str,
    ) -> tuple[Tensor, Tensor]:
        return evaluate(
            self.loss_class.name, self._options, {**tensors, **learned}, **masks,
            same_group=same_group, device=self.device,
        )  # fmt: skip

    def _of_all_processes(
        self,
        tensors: dict[str, Any],
        learned: dict[str, Any],
        masks: dict[str, Any],
        same_group: str,
    ) -> tuple[Tensor, Tensor]:
        """Of everything that all processes give, or, where only global vectors meet across pairs,
        of these, and of patches and tokens of this process alone."""
        apart, globals_given = self._apart, [n for n in GLOBALS if tensors.get(n) is not None]
        if apart is None or len(globals_given) < len(GLOBALS):
            everything = gathered(tensors, masks, self.process_group)
            return self._compute(everything[0], learned, everything[1], same_group)
        whole, weight, rest = apart
        given = {name: tensors[name] for name in (*GLOBALS, EXTRA) if name in tensors}
        tensors = {name: tensor for name, tensor in tensors.items() if name != EXTRA}
        groups = {"groups": masks["groups"]}
        vectors, marked = gathered(given, groups, self.process_group)
        found, _ = evaluate(
            whole.name, {}, {**vectors, "logit_scale": learned["logit_scale"]}, **marked,
            same_group=same_group, device=self.device,
        )  # fmt: skip
        within, parts = evaluate(
            rest.name, _options(rest), {**tensors, **learned}, **{**masks, "groups": None},
            device=self.device,
        )  # fmt: skip
        others = [found.detach().reshape(1).to(parts.dtype), parts[1:]]
        return weight * found + within, torch.cat(others)

    @torch.no_grad()
    def constrain(self, scale_max: float = 100.0) -> None:
        """Bring what is learned back where it may be, after the optimiser's step: scales to at most
        ``scale_max``, prototypes to length 1."""
        if self.logit_scale is not None:
            self.logit_scale.clamp_(max=math.log(scale_max))
        for name, owned in self.loss.parameters.items():
            owned.data[...] = self.get_parameter(name).cpu().reshape(owned.shape).numpy()
        self.loss.constrain(scale_max)
        for name, owned in self.loss.parameters.items():
            parameter = self.get_parameter(name)
            parameter.copy_(torch.from_numpy(owned.data).reshape(parameter.shape))

    def extra_repr(self) -> str:
        return repr(self.loss)


def make_module(cls: type[Loss]) -> type[Objective]:
    """The module class of one objective."""
    about = f"{cls.label} as a module: `csparc.{cls.__name__}` for a loop of PyTorch."
    options = ", ".join([option.name for option in cls.options()]) or "none"
    doc = f"{about}\n\n    Inputs: {', '.join(cls.inputs)}. Options: {options}.\n"
    body = {"loss_class": cls, "__doc__": doc + (Objective.__doc__ or "").partition("\n")[2]}
    return type(cls.__name__, (Objective,), {**body, "__module__": "csparc.torch"})
