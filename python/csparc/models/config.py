"""What a model is, as data, and the presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from csparc._repr import fields_line, line
from csparc.models.checks import check_config

OURS = (
    "image_stem",
    "image_positions",
    "attention_window",
    "registers",
    "local_layer",
    "pool_queries",
    "local_tokens",
    "token_scale",
)
"""Fields of a model's configuration that are ours, not the paper's."""


@dataclass(frozen=True)
class TowerConfig:
    """One transformer: ``width`` C, ``layers`` (0 or more), ``heads`` H, a divisor of the width."""

    width: int
    layers: int
    heads: int

    __repr__ = fields_line


@dataclass(frozen=True)
class ModelConfig:
    """A two-tower model.

    The fields up to ``causal`` say what the paper leaves open; those from ``image_stem`` on are
    ours, not the paper's, and their defaults leave a model as the paper has it (docs/models.md).

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
    global_pool : {"text", "listing", "mean", "attention"}
        "text" follows section 2: image g_v(h_v(mean of patches)), caption g_t(mean of valid
        tokens). "listing" follows the pseudocode: means of the adapted patches and of all adapted
        token positions, padding included; h_v then does not exist. "mean" has no h_v either, and
        means of adapted patches and of adapted valid tokens: for losses that never look at a global
        image vector (FILIP, PACL) and would leave h_v as it was drawn. "attention", ours: image
        g_v(h_v(a)), a the patches pooled by learned queries that attend to them; caption as "text".
    causal : bool
        Whether a token sees only those before it. The paper does not say; the default is False, so
        that every token embedding has read its whole caption.
    image_stem : {"patch", "conv"}
        How pixels become patches: one linear map of each, or 3 x 3 convolutions of stride 2 with
        replicated borders down to the grid, ``stem_widths`` channels wide, the activation after
        each, and a residual block x + Conv1x1(activation(Conv3x3(x))) of twice the width. "conv"
        needs a patch_size that is a power of 2.
    image_positions : {"before", "after", "none"}
        Learned positions: added before the first layer, added behind the patches the local loss
        reads (``local_layer``), or none.
    attention_window : int
        0: an image patch attends to all. Odd k: to the k x k patches around it.
    registers : int
        Learned tokens of the image tower that all patches see and that see all, left out after the
        last layer.
    local_layer : int or None
        The layer after which the local loss reads patches, through a norm and an adapter of their
        own; 0 is right after the stem. None: patches are those of the global path. Layers behind it
        serve the global path alone, so that with "mean" and "listing", which are means of what the
        local loss reads, they are not made.
    pool_queries : int or None
        Queries of global_pool="attention"; None is 4.
    local_tokens : {"context", "words"}
        What a local loss reads of a caption: tokens of the transformer, or g(norm(embedding)) of
        each token by itself, without positions and attention, through a norm and an adapter of
        their own. With "mean" and "listing" the transformer is then not made.
    token_scale : float
        Standard deviation of the token embeddings' initial values.
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
    image_stem: str = "patch"
    image_positions: str = "before"
    attention_window: int = 0
    registers: int = 0
    local_layer: int | None = None
    pool_queries: int | None = None
    local_tokens: str = "context"
    token_scale: float = 0.02

    def __post_init__(self) -> None:
        check_config(self)

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

    @property
    def stem_widths(self) -> tuple[int, ...]:
        """Channels after each convolution of a "conv" stem: doubling up to the tower's width, each
        rounded up to a whole number."""
        halvings = self.patch_size.bit_length() - 1
        return tuple(-(-self.image.width >> left) for left in reversed(range(halvings)))

    @property
    def pools_local(self) -> bool:
        """Whether the global vectors are means of what the local loss reads."""
        return self.global_pool in ("listing", "mean")

    @property
    def image_layers(self) -> int:
        """Image layers that are made."""
        unread = self.pools_local and self.local_layer is not None
        return self.local_layer if unread else self.image.layers

    @property
    def text_layers(self) -> int:
        """Text layers that are made."""
        unread = self.pools_local and self.local_tokens == "words"
        return 0 if unread else self.text.layers

    @property
    def reading_width(self) -> int | None:
        """Side in pixels of what a patch the local loss reads can see, None for the whole picture.

        A "conv" stem reads 4 patch_size - 1; a windowed layer adds (window - 1) patch_size. Layers
        without windows read everything, and so do two with registers.
        """
        layers = self.image_layers if self.local_layer is None else self.local_layer
        if layers > 0 and (self.attention_window == 0 or (self.registers > 0 and layers > 1)):
            return None
        stem = self.patch_size if self.image_stem == "patch" else 4 * self.patch_size - 1
        return stem + layers * (self.attention_window - 1) * self.patch_size if layers else stem

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; fields of ours only where they differ from their defaults, so
        that what is written of a model without them does not change."""
        ours = {field.name: field.default for field in fields(self) if field.name in OURS}
        values = asdict(self)
        return {k: v for k, v in values.items() if k not in ours or v != ours[k]}

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


def _preset(size, patch, image, text, length, shared, **local) -> ModelConfig:
    return ModelConfig(
        image=TowerConfig(*image),
        text=TowerConfig(*text),
        image_size=size,
        patch_size=patch,
        context_length=length,
        shared_width=shared,
        **local,
    )


_LOCAL = {
    "global_pool": "attention",
    "image_stem": "conv",
    "image_positions": "none",
    "local_layer": 0,
    "local_tokens": "words",
    "token_scale": 1.0,
}

PRESETS: dict[str, ModelConfig] = {
    "nano-local": _preset(64, 8, (64, 0, 4), (64, 2, 4), 32, 64, **_LOCAL),
    "nano": _preset(64, 8, (64, 3, 4), (64, 2, 4), 32, 64),
    "tiny-local": _preset(128, 16, (192, 0, 3), (192, 4, 3), 55, 192, **_LOCAL),
    "tiny": _preset(128, 16, (192, 6, 3), (192, 4, 3), 55, 192),
    "small": _preset(224, 16, (384, 12, 6), (384, 6, 6), 55, 384),
    "vit-b-32": _preset(224, 32, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-b-16": _preset(224, 16, (768, 12, 12), (512, 12, 8), 55, 512),
    "vit-l-14": _preset(224, 14, (1024, 24, 16), (768, 12, 12), 55, 768),
}
"""Ready-made configurations, smallest first. ``vit-*`` are the sizes of the paper; in ``*-local``,
which are ours, patches and words stay local, so that words can find their objects."""


def list_models() -> list[str]:
    """Names ``create_model`` knows, smallest first."""
    return list(PRESETS)


def preset(name: str) -> ModelConfig:
    """The configuration of that name; ValueError lists the names there are."""
    if name not in PRESETS:
        raise ValueError(f"model: expected one of {', '.join(PRESETS)}, found {name!r}")
    return PRESETS[name]
