"""What a model is, as data."""

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

PUBLISHED = (
    "text_pool",
    "eos_id",
    "pre_norm",
    "patch_bias",
    "projection_bias",
    "logit_bias",
    "norm_eps",
)
"""Fields that the published weights of CLIP and SigLIP need (docs/weights.md)."""


@dataclass(frozen=True)
class TowerConfig:
    """One transformer: ``width`` C, ``layers`` (0 or more), ``heads`` H, a divisor of the width;
    ``hidden``, the width within its MLPs, and their ``activation``, where they are not those of the
    whole model (None)."""

    width: int
    layers: int
    heads: int
    hidden: int | None = None
    activation: str | None = None

    __repr__ = fields_line


@dataclass(frozen=True)
class ModelConfig:
    """A two-tower model.

    The fields up to ``causal`` say what the paper leaves open; those from ``image_stem`` on are
    ours, not the paper's (docs/models.md), and those from ``text_pool`` on are CLIP's and SigLIP's
    (docs/weights.md); the defaults of both leave a model as the paper has it.

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
    activation : {"gelu", "quick_gelu", "gelu_tanh", "relu"}
        In the MLPs. OpenAI's CLIP was trained with "quick_gelu", SigLIP with "gelu_tanh".
    head_activation : {"gelu", "quick_gelu", "gelu_tanh", "relu", "none"}
        Of h_v, the dense layer on the pooled image. The paper calls it non-linear and does not name
        the function; "none" makes it affine.
    global_pool : {"text", "listing", "mean", "attention", "class", "map"}
        "text" follows section 2: image g_v(h_v(mean of patches)), caption g_t(mean of valid
        tokens). "listing" follows the pseudocode: means of the adapted patches and of all adapted
        token positions, padding included; h_v then does not exist. "mean" has no h_v either, and
        means of adapted patches and of adapted valid tokens: for losses that never look at a global
        image vector (FILIP, PACL) and would leave h_v as it was drawn. "attention", ours: image
        g_v(h_v(a)), a the patches pooled by learned queries that attend to them; caption as "text".
        "class", CLIP's: image g_v(c), c the class token; "map", SigLIP's: its pooling head on the
        patches (`csparc.nn.MapHead`). Neither has h_v, "map" no g_v either: D is its image width.
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
    text_pool : {"mean", "argmax", "eos", "last"}
        How the text tower's tokens become a caption's vector, where it is not a mean of what the
        local loss reads: the mean of the valid ones; the first token with the largest id, or the
        first with id ``eos_id`` (CLIP's end token, both); or the last position of the row
        (SigLIP's), padding or not: every position is then computed and seen, whatever the mask.
    eos_id : int or None
        Id of the end token, with text_pool="eos" alone.
    pre_norm : bool
        A layer norm before the first image layer, ``visual.ln_pre``, as CLIP has it.
    patch_bias : bool
        Whether the linear map of a patch has a bias: SigLIP's has, CLIP's has none.
    projection_bias : bool
        Whether the adapters have biases: CLIP's projections have none.
    logit_bias : bool
        Whether the model has a learned bias of all logits, SigLIP's.
    norm_eps : float
        Added to the variance in layer norms; SigLIP has 1e-6.
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
    text_pool: str = "mean"
    eos_id: int | None = None
    pre_norm: bool = False
    patch_bias: bool = False
    projection_bias: bool = True
    logit_bias: bool = False
    norm_eps: float = 1e-5

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
    def positions(self) -> int:
        """Rows of the image tower's positions: of the patches, and of the class token behind."""
        return self.patches + (self.global_pool == "class")

    @property
    def has_head(self) -> bool:
        """Whether there is an h_v."""
        return self.global_pool in ("text", "attention")

    def hidden(self, tower: TowerConfig) -> int:
        """Width within the MLPs of a tower."""
        return self.mlp_ratio * tower.width if tower.hidden is None else tower.hidden

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
        """Plain values, for JSON; fields of ours, of CLIP and of SigLIP only where they differ from
        their defaults, so that what is written of a model without them does not change."""
        named = (*OURS, *PUBLISHED)
        left_out = {field.name: field.default for field in fields(self) if field.name in named}
        values = asdict(self)
        for side in ("image", "text"):
            values[side] = {k: v for k, v in values[side].items() if v is not None}
        return {k: v for k, v in values.items() if k not in left_out or v != left_out[k]}

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
