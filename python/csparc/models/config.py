"""What a model is, as data, and the presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from csparc._repr import fields_line, line
from csparc._scalars import choice, flag, whole_number

ACTIVATIONS = ("gelu", "quick_gelu", "relu")
HEAD_ACTIVATIONS = (*ACTIVATIONS, "none")
GLOBAL_POOLS = ("text", "listing", "mean")


@dataclass(frozen=True)
class TowerConfig:
    """One transformer: ``width`` C, ``layers``, ``heads`` H (a divisor of the width)."""

    width: int
    layers: int
    heads: int

    __repr__ = fields_line


@dataclass(frozen=True)
class ModelConfig:
    """A two-tower model.

    Attributes
    ----------
    image, text : TowerConfig
        The towers.
    image_size, patch_size : int
        Side of the square image and of a patch, pixels; P = (image_size / patch_size)^2 patches.
    context_length : int
        Most tokens L of a caption.
    shared_width : int
        D, the width both adapters map to.
    vocab_size : int
        Tokens V. The paper's tokenizer has 32 000.
    mlp_ratio : int
        Hidden width of a block's MLP over its width.
    activation : {"gelu", "quick_gelu", "relu"}
        In the MLPs. CLIP's published weights need "quick_gelu".
    head_activation : {"gelu", "quick_gelu", "relu", "none"}
        Of h_v, the dense layer on the pooled image. The paper calls it non-linear and does not name
        the function; "none" makes it affine.
    global_pool : {"text", "listing", "mean"}
        "text" follows section 2: image g_v(h_v(mean of patches)), caption g_t(mean of valid
        tokens). "listing" follows the pseudocode: means of the adapted patches and of all adapted
        token positions, padding included; h_v then does not exist. "mean" has no h_v either, and
        means of adapted patches and of adapted valid tokens: for losses that never look at a global
        image vector (FILIP, PACL) and would leave h_v as it was drawn.
    causal : bool
        Whether a token sees only those before it. The paper does not say; the default is False, so
        that every token embedding has read its whole caption.
    """

    image: TowerConfig
    text: TowerConfig
    image_size: int
    patch_size: int
    context_length: int
    shared_width: int
    vocab_size: int = 32_000
    mlp_ratio: int = 4
    activation: str = "gelu"
    head_activation: str = "gelu"
    global_pool: str = "text"
    causal: bool = False

    def __post_init__(self) -> None:
        for name in (
            "image_size",
            "patch_size",
            "context_length",
            "shared_width",
            "vocab_size",
            "mlp_ratio",
        ):
            _take_count(self, name, name)
        for side in ("image", "text"):
            tower = getattr(self, side)
            for name in ("width", "layers", "heads"):
                _take_count(tower, name, f"{side}.{name}")
            if tower.width % tower.heads:
                raise ValueError(
                    f"{side}.heads: expected a divisor of {side}.width = {tower.width}, found "
                    f"{tower.heads}"
                )
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size: expected a multiple of patch_size = {self.patch_size}, found "
                f"{self.image_size}"
            )
        choice(self.activation, "activation", ACTIVATIONS)
        choice(self.head_activation, "head_activation", HEAD_ACTIVATIONS)
        choice(self.global_pool, "global_pool", GLOBAL_POOLS)
        object.__setattr__(self, "causal", flag(self.causal, "causal"))

    def __repr__(self) -> str:
        def tower(config: TowerConfig) -> str:
            return f"{config.width}x{config.layers}x{config.heads}"

        return line(
            self, f"image={tower(self.image)}", f"text={tower(self.text)}",
            image_size=self.image_size, patch_size=self.patch_size,
            context_length=self.context_length, shared_width=self.shared_width,
        )  # fmt: skip

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (self.image_size // self.patch_size,) * 2

    @property
    def patches(self) -> int:
        """P, patches of an image."""
        return self.grid[0] * self.grid[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """The inverse of ``to_dict``; unknown, missing or ill-typed entries raise ValueError."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"model config: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        try:
            towers = {side: TowerConfig(**dict(values[side])) for side in ("image", "text")}
            return cls(**{**values, **towers})
        except (KeyError, TypeError) as error:
            raise ValueError(f"model config: {error}") from error


def _take_count(owner: object, name: str, told: str) -> None:
    """Check a field that counts something; one of NumPy becomes an int, as JSON holds them."""
    object.__setattr__(owner, name, whole_number(getattr(owner, name), told, low=1))


def _preset(size, patch, image, text, length, shared) -> ModelConfig:
    return ModelConfig(
        image=TowerConfig(*image),
        text=TowerConfig(*text),
        image_size=size,
        patch_size=patch,
        context_length=length,
        shared_width=shared,
    )


PRESETS: dict[str, ModelConfig] = {
    "nano": _preset(64, 8, (64, 3, 4), (64, 2, 4), 32, 64),
    "tiny": _preset(128, 16, (192, 6, 3), (192, 4, 3), 55, 192),
    "small": _preset(224, 16, (384, 12, 6), (384, 6, 6), 55, 384),
    "vit-b-32": _preset(224, 32, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-b-16": _preset(224, 16, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-l-14": _preset(224, 14, (1024, 24, 16), (768, 12, 12), 55, 768),
}
"""Ready-made configurations, smallest first. ``vit-*`` are the sizes of the paper."""


def list_models() -> list[str]:
    """Names ``create_model`` knows, smallest first."""
    return list(PRESETS)


def preset(name: str) -> ModelConfig:
    """The configuration of that name; ValueError lists the names there are."""
    if name not in PRESETS:
        raise ValueError(f"model: expected one of {', '.join(PRESETS)}, found {name!r}")
    return PRESETS[name]
