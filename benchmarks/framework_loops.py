"""Training loops as users of torch, open_clip and Flax have them, one step a call, by the loss in
them: csparc's or their own form of SPARC."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sparc_peers import jax_loss, torch_loss

PIXELS, VOCABULARY, LEARNING_RATE = 192, 1000, 1e-4
"""Numbers of a patch: 8 x 8 pixels."""


def lengths_mask(rng: np.random.Generator, B: int, L: int) -> np.ndarray:
    return np.arange(L) < rng.integers(L // 2, L + 1, B)[:, None]


def torch_losses(mask: np.ndarray, P: int) -> dict[str, Callable]:
    """Losses of (patches, tokens, scale) by name: csparc's, and those of torch."""
    import torch

    from csparc.torch import sparc_loss

    plain, valid = torch_loss(mask, P), torch.from_numpy(mask)
    return {
        "csparc.torch": lambda v, t, scale: sparc_loss(v, t, text_mask=valid, logit_scale=scale),
        "loss of torch, eager": plain,
        "loss of torch, compiled": torch.compile(plain, fullgraph=True, dynamic=False),
    }


def torch_step(model: Callable, parameters: list, loss: Callable, inputs: tuple) -> Callable:
    """A step of training ``model(*inputs)``, which gives patches, tokens and scale."""
    import torch

    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6)

    def step() -> float:
        optimiser.zero_grad()
        value = loss(*model(*inputs))
        value.backward()
        optimiser.step()
        return value.item()

    return step


def plain_loop(B: int, P: int, L: int, D: int, threads: int) -> dict[str, Callable]:
    """A layer for patches, a table of words: little but the loss."""
    import torch

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    mask = lengths_mask(rng, B, L)
    pictures = torch.from_numpy(rng.normal(size=(B, P, PIXELS)).astype(np.float32))
    words = torch.from_numpy(rng.integers(0, VOCABULARY, (B, L)))

    def step(loss: Callable) -> Callable:
        torch.manual_seed(0)
        image, text = torch.nn.Linear(PIXELS, D), torch.nn.Embedding(VOCABULARY, D)
        scale = torch.nn.Parameter(torch.tensor(1 / 0.07).log())
        parameters = [*image.parameters(), *text.parameters(), scale]
        return torch_step(
            lambda p, w: (image(p), text(w), scale.exp()), parameters, loss, (pictures, words)
        )

    return {name: step(loss) for name, loss in torch_losses(mask, P).items()}


def open_clip_loop(B: int, P: int, L: int, D: int, threads: int) -> dict[str, Callable]:
    """open_clip's CLIP with small towers, random weights, its optimiser's settings."""
    import open_clip
    import torch

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    mask, size = lengths_mask(rng, B, L), 8 * round(P**0.5)
    pictures = torch.from_numpy(rng.normal(size=(B, 3, size, size)).astype(np.float32))
    words = torch.from_numpy(rng.integers(1, VOCABULARY, (B, L)) * mask)

    def step(loss: Callable) -> Callable:
        torch.manual_seed(0)
        model = open_clip.model.CLIP(
            embed_dim=D,
            vision_cfg={"image_size": size, "patch_size": 8, "layers": 2, "width": 128,
                        "head_width": 64, "output_tokens": True},
            text_cfg={"context_length": L, "vocab_size": VOCABULARY, "layers": 2, "width": 128,
                      "heads": 2},
        )  # fmt: skip
        return torch_step(lambda p, w: local_vectors(model, p, w), [*model.parameters()], loss,
                          (pictures, words))  # fmt: skip

    return {name: step(loss) for name, loss in torch_losses(mask, P).items()}


def local_vectors(model, pictures, words):
    """Patches and tokens of a CLIP of open_clip in the shared space, and its scale."""
    _, patches = model.visual(pictures)
    text = model.token_embedding(words) + model.positional_embedding
    text = model.ln_final(model.transformer(text, attn_mask=model.attn_mask))
    return patches @ model.visual.proj, text @ model.text_projection, model.logit_scale.exp()


def flax_loop(B: int, P: int, L: int, D: int, threads: int) -> dict[str, Callable]:
    """A dense layer for patches and a table of words in Flax, Optax, the whole step under jit."""
    import flax.linen as nn
    import jax
    import optax
    from jax import numpy as jnp

    from csparc.jax import sparc_loss

    jax.config.update("jax_platforms", "cpu")
    rng = np.random.default_rng(0)
    mask = jnp.asarray(lengths_mask(rng, B, L))
    pictures = jnp.asarray(rng.normal(size=(B, P, PIXELS)).astype(np.float32))
    words = jnp.asarray(rng.integers(0, VOCABULARY, (B, L)))
    plain = jax_loss(P)
    losses = {
        "csparc.jax": lambda v, t, scale: sparc_loss(v, t, text_mask=mask, logit_scale=scale),
        "loss of jax, jit": lambda v, t, scale: plain(v, t, scale, mask),
    }

    class Towers(nn.Module):
        @nn.compact
        def __call__(self, pictures, words):
            return nn.Dense(D)(pictures), nn.Embed(VOCABULARY, D)(words)

    model, optimiser = Towers(), optax.adamw(LEARNING_RATE)

    def step(loss: Callable) -> Callable:
        parameters = {
            "towers": model.init(jax.random.key(0), pictures, words),
            "logit_scale": jnp.log(jnp.float32(1 / 0.07)),
        }

        @jax.jit
        def train(parameters, state):
            def total(parameters):
                vectors = model.apply(parameters["towers"], pictures, words)
                return loss(*vectors, jnp.exp(parameters["logit_scale"]))

            value, gradient = jax.value_and_grad(total)(parameters)
            updates, state = optimiser.update(gradient, state, parameters)
            return optax.apply_updates(parameters, updates), state, value

        held = [parameters, optimiser.init(parameters)]

        def call() -> float:
            *held[:], value = train(*held)
            return float(value)

        return call

    return {name: step(loss) for name, loss in losses.items()}


LOOPS = {"plain": plain_loop, "open_clip": open_clip_loop, "flax": flax_loop}
