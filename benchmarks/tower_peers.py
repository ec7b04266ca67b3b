"""The two towers of a preset in torch, as one writes them there, with csparc's weights: layers of
`torch.nn`, fused attention, captions padded and masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sparc_peers import torch_form
from torch import nn
from torch.nn import functional as F

EPS = 1e-5


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x, mask):
        """x [B,T,C], mask bool [B,1,1,T] of the keys that are seen, or None."""
        batch, length, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        split = qkv.view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(seen.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, EPS)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, EPS)
        self.mlp = Mlp(width, hidden)

    def forward(self, x, mask):
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, config: Any, tower: Any) -> None:
        super().__init__()
        sizes = (tower.width, tower.heads, config.hidden(tower))
        self.resblocks = nn.ModuleList(Block(*sizes) for _ in range(tower.layers))

    def forward(self, x, mask=None):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Vision(nn.Module):
    """images [B,3,H,W] -> patches [B,P,D], vectors [B,D]."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, size = config.image.width, config.patch_size
        self.conv1 = nn.Conv2d(3, width, size, size, bias=config.patch_bias)
        self.positional_embedding = nn.Parameter(torch.empty(config.patches, width))
        self.transformer = Transformer(config, config.image)
        self.ln_post = nn.LayerNorm(width, EPS)
        self.head = nn.Linear(width, width)
        self.adapter = nn.Linear(width, config.shared_width)

    def forward(self, images):
        x = self.conv1(images).flatten(2).transpose(1, 2) + self.positional_embedding
        x = self.ln_post(self.transformer(x))
        return self.adapter(x), self.adapter(F.gelu(self.head(x.mean(1))))


class Text(nn.Module):
    """ids [B,L], valid bool [B,L] -> tokens [B,L,D], vectors [B,D]."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.text.width
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context_length, width))
        self.transformer = Transformer(config, config.text)
        self.ln_final = nn.LayerNorm(width, EPS)
        self.adapter = nn.Linear(width, config.shared_width)

    def forward(self, ids, valid):
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.ln_final(self.transformer(x, valid[:, None, None]))
        mean = (x * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
        return self.adapter(x), self.adapter(mean)


class Towers(nn.Module):
    """Both, and the logarithm of the scale."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.visual = Vision(config)
        self.text = Text(config)
        self.logit_scale = nn.Parameter(torch.empty(1))


def towers(model: Any) -> Towers:
    """A csparc model of the paper's kind as torch has it, with copies of its weights."""
    made = Towers(model.config)
    state = {}
    for name, value in model.state_dict().items():
        inside = name.startswith("visual.") or name == "logit_scale"
        state[name if inside else f"text.{name}"] = torch.from_numpy(np.array(value))
    made.load_state_dict(state)
    return made


def torch_step(
    model: Any, optimizer: Any, config: Any, *, compiled: bool, length: int, rounded: bool = False
) -> Callable:
    """A training step ``(batch, lr) -> loss`` that does what csparc's does, with captions padded to
    ``length``: SPARC, clipping, AdamW with the same settings, the scale's limits. ``rounded``:
    towers and loss under autocast to bfloat16."""
    made = towers(model)
    loss = torch_form(model.config.patches)
    named = {n.removeprefix("text."): p for n, p in made.named_parameters()}
    groups = [
        {"params": [p for n, p in named.items() if model.parameters[n].decay == decay],
         "weight_decay": optimizer.weight_decay if decay else 0.0}
        for decay in (True, False)
    ]  # fmt: skip
    adamw = torch.optim.AdamW(groups, betas=optimizer.betas, eps=optimizer.eps, fused=True)

    def value(images, ids, valid, entering):
        patches, image = made.visual(images)
        tokens, text = made.text(ids, valid)
        return loss(patches, tokens, image, text, entering, made.logit_scale.exp())

    call = torch.compile(value, fullgraph=True, dynamic=False) if compiled else value

    def step(batch: dict[str, np.ndarray], lr: float) -> float:
        images = torch.from_numpy(batch["image"])
        ids, valid, entering = (
            torch.from_numpy(batch[name][:, :length].copy())
            for name in ("text", "text_mask", "loss_mask")
        )
        for group in adamw.param_groups:
            group["lr"] = lr
        adamw.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            found = call(images, ids, valid, entering)
        found.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), config.grad_clip_norm)
        adamw.step()
        with torch.no_grad():
            made.logit_scale.clamp_(np.log(config.scale_min), np.log(config.scale_max))
        return found.item()

    return step
