"""Configurations of published CLIP and SigLIP models, by the names open_clip gives them."""

from __future__ import annotations

from csparc.models.config import ModelConfig, TowerConfig

CLIP_VOCAB, CLIP_EOS = 49_408, 49_407


def clip(
    size: int, patch: int, image: TowerConfig, text: TowerConfig, shared: int, **options
) -> ModelConfig:
    """CLIP with a ViT (arXiv 2103.00020): class token, norm before the blocks, causal text pooled
    at its end token, projections without biases."""
    settings = {
        "context_length": 77,
        "vocab_size": CLIP_VOCAB,
        "text_pool": "eos",
        "eos_id": CLIP_EOS,
        **options,
    }
    return ModelConfig(
        image, text, image_size=size, patch_size=patch, shared_width=shared, global_pool="class",
        causal=True, pre_norm=True, projection_bias=False, **settings,
    )  # fmt: skip


def siglip(
    size: int, patch: int, image: TowerConfig, text: TowerConfig, length: int, vocab: int, **options
) -> ModelConfig:
    """SigLIP (arXiv 2303.15343, 2502.14786): attention pooling head, text that sees all positions
    and is pooled at the last, a bias of the logits. D is the image tower's width."""
    settings = {"activation": "gelu_tanh", "norm_eps": 1e-6, **options}
    return ModelConfig(
        image, text, image_size=size, patch_size=patch, shared_width=image.width,
        context_length=length, vocab_size=vocab, global_pool="map", text_pool="last",
        patch_bias=True, logit_bias=True, **settings,
    )  # fmt: skip


def _clips() -> dict[str, ModelConfig]:
    base, large = TowerConfig(768, 12, 12), TowerConfig(1024, 24, 16)
    sizes = {
        "ViT-B-32": (224, 32, base, TowerConfig(512, 12, 8), 512),
        "ViT-B-16": (224, 16, base, TowerConfig(512, 12, 8), 512),
        "ViT-L-14": (224, 14, large, TowerConfig(768, 12, 12), 768),
        "ViT-L-14-336": (336, 14, large, TowerConfig(768, 12, 12), 768),
    }
    found = {}
    for name, size in sizes.items():
        found[name] = clip(*size)
        found[f"{name}-quickgelu"] = clip(*size, activation="quick_gelu")
    return found


def _siglips() -> dict[str, ModelConfig]:
    base, large = TowerConfig(768, 12, 12), TowerConfig(1024, 24, 16)
    so400m = TowerConfig(1152, 27, 16, hidden=4304)
    towers = {"B-16": (16, base), "L-16": (16, large), "SO400M-14": (14, so400m)}
    towers |= {"SO400M-16": (16, so400m), "B-32": (32, base)}
    first = [("B-16", 224), ("B-16", 256), ("B-16", 384), ("B-16", 512), ("L-16", 256)]
    first += [("L-16", 384), ("SO400M-14", 224), ("SO400M-14", 378)]
    second = [("B-32", 256), *first[:6], ("L-16", 512), ("SO400M-14", 224), ("SO400M-14", 378)]
    second += [("SO400M-16", size) for size in (256, 384, 512)]
    found = {}
    for kind, vocab, sizes in (("SigLIP", 32_000, first), ("SigLIP2", 256_000, second)):
        for tower, size in sizes:
            patch, image = towers[tower]
            length = 16 if (kind, tower, size) == ("SigLIP", "SO400M-14", 224) else 64
            suffix = "" if size == 224 else f"-{size}"
            found[f"ViT-{tower}-{kind}{suffix}"] = siglip(size, patch, image, image, length, vocab)
    return found


PUBLISHED_MODELS: dict[str, ModelConfig] = {**_clips(), **_siglips()}
"""Architectures whose weights can be read and written (`csparc.weights`)."""
