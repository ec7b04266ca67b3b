"""The layouts that are read and written: one table of names each.

A table says for every parameter of a model here which tensors of a file hold it, and by which rule
of `csparc.weights.rules`. What a model here does not have is not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from csparc._repr import fields_line
from csparc.weights.rules import Entry, affine, entry

BLOCK = "transformer.resblocks.{i}."


@dataclass(frozen=True)
class Layout:
    """Names of one kind of file.

    ``package`` and ``family`` say whose layout it is and of which models; ``marks`` are tensors
    that only this layout has; ``unread`` are tensors that hold no weights; ``form`` is what a
    model of the family always is, as fields of `csparc.ModelConfig`.
    """

    package: str
    family: str
    marks: tuple[str, ...]
    entries: list[Entry]
    form: dict[str, Any]
    unread: tuple[str, ...] = field(default=())

    __repr__ = fields_line

    @property
    def name(self) -> str:
        """As messages say it."""
        return f"{self.family} as {self.package} lays it out"


CLIP_FORM = {
    "global_pool": "class", "pre_norm": True, "projection_bias": False,
}  # fmt: skip
SIGLIP_FORM = {
    "global_pool": "map", "patch_bias": True, "logit_bias": True, "text_pool": "last",
}  # fmt: skip


def _own_blocks(ours: str, theirs: str) -> list[Entry]:
    """Blocks whose names are open_clip's on both sides."""
    ours, theirs = ours + BLOCK, theirs + BLOCK
    return [
        *affine(f"{ours}ln_1", f"{theirs}ln_1"),
        *entry(f"{ours}attn.in_proj_weight", f"{theirs}attn.in_proj_weight"),
        *entry(f"{ours}attn.in_proj_bias", f"{theirs}attn.in_proj_bias"),
        *affine(f"{ours}attn.out_proj", f"{theirs}attn.out_proj"),
        *affine(f"{ours}ln_2", f"{theirs}ln_2"),
        *affine(f"{ours}mlp.c_fc", f"{theirs}mlp.c_fc"),
        *affine(f"{ours}mlp.c_proj", f"{theirs}mlp.c_proj"),
    ]


def _timm_blocks(ours: str, theirs: str) -> list[Entry]:
    ours, theirs = ours + BLOCK, theirs + "blocks.{i}."
    return [
        *affine(f"{ours}ln_1", f"{theirs}norm1"),
        *entry(f"{ours}attn.in_proj_weight", f"{theirs}attn.qkv.weight"),
        *entry(f"{ours}attn.in_proj_bias", f"{theirs}attn.qkv.bias"),
        *affine(f"{ours}attn.out_proj", f"{theirs}attn.proj"),
        *affine(f"{ours}ln_2", f"{theirs}norm2"),
        *affine(f"{ours}mlp.c_fc", f"{theirs}mlp.fc1"),
        *affine(f"{ours}mlp.c_proj", f"{theirs}mlp.fc2"),
    ]


def _hugging_face_blocks(ours: str, theirs: str) -> list[Entry]:
    ours, theirs = ours + BLOCK, theirs + "encoder.layers.{i}."
    qkv = [f"{theirs}self_attn.{letter}_proj" for letter in "qkv"]
    return [
        *affine(f"{ours}ln_1", f"{theirs}layer_norm1"),
        *entry(f"{ours}attn.in_proj_weight", " ".join(f"{n}.weight" for n in qkv), "stacked"),
        *entry(f"{ours}attn.in_proj_bias", " ".join(f"{n}.bias" for n in qkv), "stacked"),
        *affine(f"{ours}attn.out_proj", f"{theirs}self_attn.out_proj"),
        *affine(f"{ours}ln_2", f"{theirs}layer_norm2"),
        *affine(f"{ours}mlp.c_fc", f"{theirs}mlp.fc1"),
        *affine(f"{ours}mlp.c_proj", f"{theirs}mlp.fc2"),
    ]


def _open_clip_text(theirs: str) -> list[Entry]:
    return [
        *entry("token_embedding.weight", f"{theirs}token_embedding.weight"),
        *entry("positional_embedding", f"{theirs}positional_embedding"),
        *_own_blocks("", theirs),
        *affine("ln_final", f"{theirs}ln_final"),
    ]


OPEN_CLIP_CLIP = Layout(
    "open_clip",
    "CLIP",
    ("visual.conv1.weight", "visual.class_embedding"),
    [
        *entry("visual.conv1.weight", "visual.conv1.weight"),
        *entry("visual.class_embedding", "visual.class_embedding", "row"),
        *entry("visual.positional_embedding", "visual.positional_embedding", "class_first"),
        *affine("visual.ln_pre", "visual.ln_pre"),
        *_own_blocks("visual.", "visual."),
        *affine("visual.ln_post", "visual.ln_post"),
        *entry("visual.adapter.weight", "visual.proj", "transposed"),
        *_open_clip_text(""),
        *entry("adapter.weight", "text_projection", "transposed"),
        *entry("logit_scale", "logit_scale", "row"),
        *entry("logit_bias", "logit_bias", "row"),
    ],
    CLIP_FORM,
    unread=("attn_mask", "input_resolution", "context_length", "vocab_size"),
)

OPEN_CLIP_SIGLIP = Layout(
    "open_clip",
    "SigLIP",
    ("visual.trunk.patch_embed.proj.weight", "visual.trunk.attn_pool.latent"),
    [
        *entry("visual.conv1.weight", "visual.trunk.patch_embed.proj.weight"),
        *entry("visual.conv1.bias", "visual.trunk.patch_embed.proj.bias"),
        *entry("visual.positional_embedding", "visual.trunk.pos_embed", "plane"),
        *_timm_blocks("visual.", "visual.trunk."),
        *affine("visual.ln_post", "visual.trunk.norm"),
        *entry("visual.attn_pool.pool.queries", "visual.trunk.attn_pool.latent", "plane"),
        *affine("visual.attn_pool.pool.q", "visual.trunk.attn_pool.q"),
        *affine("visual.attn_pool.pool.kv", "visual.trunk.attn_pool.kv"),
        *affine("visual.attn_pool.pool.proj", "visual.trunk.attn_pool.proj"),
        *affine("visual.attn_pool.norm", "visual.trunk.attn_pool.norm"),
        *affine("visual.attn_pool.mlp.c_fc", "visual.trunk.attn_pool.mlp.fc1"),
        *affine("visual.attn_pool.mlp.c_proj", "visual.trunk.attn_pool.mlp.fc2"),
        *_open_clip_text("text."),
        *affine("adapter", "text.text_projection"),
        *entry("logit_scale", "logit_scale", "row"),
        *entry("logit_bias", "logit_bias", "row"),
    ],
    SIGLIP_FORM,
)


def _hugging_face_text() -> list[Entry]:
    return [
        *entry("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
        *entry("positional_embedding", "text_model.embeddings.position_embedding.weight"),
        *_hugging_face_blocks("", "text_model."),
        *affine("ln_final", "text_model.final_layer_norm"),
    ]


_POSITION_IDS = (
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
)

HUGGING_FACE_CLIP = Layout(
    "Hugging Face",
    "CLIP",
    ("vision_model.embeddings.class_embedding",),
    [
        *entry("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"),
        *entry("visual.class_embedding", "vision_model.embeddings.class_embedding", "row"),
        *entry(
            "visual.positional_embedding",
            "vision_model.embeddings.position_embedding.weight",
            "class_first",
        ),
        *affine("visual.ln_pre", "vision_model.pre_layrnorm"),
        *_hugging_face_blocks("visual.", "vision_model."),
        *affine("visual.ln_post", "vision_model.post_layernorm"),
        *entry("visual.adapter.weight", "visual_projection.weight"),
        *_hugging_face_text(),
        *entry("adapter.weight", "text_projection.weight"),
        *entry("logit_scale", "logit_scale", "row"),
    ],
    CLIP_FORM,
    unread=_POSITION_IDS,
)

_HEAD = "vision_model.head"
_POOL = "visual.attn_pool.pool"

HUGGING_FACE_SIGLIP = Layout(
    "Hugging Face",
    "SigLIP",
    ("vision_model.head.probe",),
    [
        *affine("visual.conv1", "vision_model.embeddings.patch_embedding"),
        *entry("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        *_hugging_face_blocks("visual.", "vision_model."),
        *affine("visual.ln_post", "vision_model.post_layernorm"),
        *entry(f"{_POOL}.queries", f"{_HEAD}.probe", "plane"),
        *entry(
            f"{_POOL}.q.weight {_POOL}.kv.weight", f"{_HEAD}.attention.in_proj_weight", "stacked"
        ),
        *entry(f"{_POOL}.q.bias {_POOL}.kv.bias", f"{_HEAD}.attention.in_proj_bias", "stacked"),
        *affine(f"{_POOL}.proj", f"{_HEAD}.attention.out_proj"),
        *affine("visual.attn_pool.norm", f"{_HEAD}.layernorm"),
        *affine("visual.attn_pool.mlp.c_fc", f"{_HEAD}.mlp.fc1"),
        *affine("visual.attn_pool.mlp.c_proj", f"{_HEAD}.mlp.fc2"),
        *_hugging_face_text(),
        *affine("adapter", "text_model.head"),
        *entry("logit_scale", "logit_scale"),
        *entry("logit_bias", "logit_bias"),
    ],
    SIGLIP_FORM,
    unread=_POSITION_IDS,
)

LAYOUTS = (OPEN_CLIP_CLIP, OPEN_CLIP_SIGLIP, HUGGING_FACE_CLIP, HUGGING_FACE_SIGLIP)


def layout_of(names: set[str]) -> Layout | None:
    """The layout whose marks are all among a file's tensors; None where there is none."""
    return next((layout for layout in LAYOUTS if names.issuperset(layout.marks)), None)
