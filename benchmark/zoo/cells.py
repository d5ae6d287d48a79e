"""The shapes that zoo models come in, as `transformers` configurations."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["CELLS", "CONTEXT", "VOCABULARY", "Cell"]

VOCABULARY = 512

# Half of 1/√width: at the usual 0.02, models this narrow hardly learn (held-out loss 0.1 to 0.2 nats higher).
INITIAL_SD = 0.08
MIXED = frozenset({"experts", "top"})
CONTEXT = 64  # tokens a window, and the longest input a zoo model is made for


@dataclass(frozen=True)
class Cell:
    """One shape.

    Attributes
    ----------
    model_type : str
        As in `transformers`.
    depth, width, heads, kv_heads, feed_forward : int
        Layers, hidden width, query heads, key-value heads, inner width.
    tied : bool
        Whether the unembedding is the embedding.
    experts, top : int
        Routed experts a layer, and how many a token uses; 0 for a dense model.
    """

    model_type: str
    depth: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int
    tied: bool
    experts: int = 0
    top: int = 0

    def facts(self) -> dict[str, int | str]:
        """The same as plain data; experts only where there are some."""
        return {name: value for name, value in asdict(self).items() if name not in MIXED or self.experts}

    def config(self) -> dict[str, float]:
        """What `transformers.AutoConfig.for_model` takes besides the model type."""
        if self.model_type == "gpt2":
            return self._gpt2()
        config: dict[str, float] = {
            "vocab_size": VOCABULARY,
            "max_position_embeddings": 2 * CONTEXT,
            "num_hidden_layers": self.depth,
            "hidden_size": self.width,
            "num_attention_heads": self.heads,
            "intermediate_size": self.feed_forward,
            "initializer_range": INITIAL_SD,
            "tie_word_embeddings": self.tied,
            "bos_token_id": 0,
            "eos_token_id": 0,
        }
        if self.model_type == "gpt_neox":
            return {**config, "rotary_pct": 0.5, "use_parallel_residual": True}
        config["num_key_value_heads"] = self.kv_heads
        if self.model_type == "qwen3":
            config["head_dim"] = self.width // self.heads
        if self.model_type == "mixtral":
            config |= {"num_local_experts": self.experts, "num_experts_per_tok": self.top}
        return config

    def _gpt2(self) -> dict[str, float]:
        return {
            "vocab_size": VOCABULARY,
            "n_positions": 2 * CONTEXT,
            "n_layer": self.depth,
            "n_embd": self.width,
            "n_head": self.heads,
            "n_inner": self.feed_forward,
            "initializer_range": INITIAL_SD,
            "tie_word_embeddings": self.tied,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            "resid_pdrop": 0.0,
        }


CELLS = {
    "qwen2-small": Cell("qwen2", depth=6, width=40, heads=4, kv_heads=2, feed_forward=112, tied=True),
    "llama-small": Cell("llama", depth=6, width=40, heads=4, kv_heads=4, feed_forward=104, tied=False),
    "neox-small": Cell("gpt_neox", depth=6, width=32, heads=4, kv_heads=4, feed_forward=128, tied=False),
    "qwen2-narrow": Cell("qwen2", depth=6, width=32, heads=4, kv_heads=2, feed_forward=48, tied=True),
    "qwen3-small": Cell("qwen3", depth=6, width=40, heads=4, kv_heads=2, feed_forward=104, tied=True),
    "gpt2-small": Cell("gpt2", depth=6, width=32, heads=4, kv_heads=4, feed_forward=128, tied=True),
    "llama-deep": Cell("llama", depth=12, width=32, heads=4, kv_heads=2, feed_forward=80, tied=False),
    "llama-wide": Cell("llama", depth=4, width=64, heads=8, kv_heads=4, feed_forward=160, tied=False),
    "mixtral-small": Cell(
        "mixtral", depth=6, width=32, heads=4, kv_heads=2, feed_forward=48, tied=False, experts=4, top=2
    ),
}
