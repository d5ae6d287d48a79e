"""The architectures of GGUF files: what the hub calls them, and how llama.cpp's converter turns their rows.

`source` names the module of llama.cpp's ``conversion`` package that writes an architecture, as shipped with
llama-cpp-python 0.3.36; `tests/fpcore/checkpoints/with_converter.py` holds this table against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ARCHITECTURES", "NOT_READ", "Known", "Rows"]

Rows = Literal["as on the hub", "pairs", "sections", "tiled"]

# Rotary embeddings turn neighbouring rows in llama.cpp, the halves of a head on the hub: the converter brings
# the two rows of a pair together, in query and key.
PAIRS: Final = "pairs"
# The reverse, for the rows that are turned, where the file states sections of a multi-axis rotary embedding.
SECTIONS: Final = "sections"
# Query heads that share a key stand together; on the hub the first of each key come first. Columns of the
# output alike.
TILED: Final = "tiled"


@dataclass(frozen=True)
class Known:
    """What is known of an architecture.

    Attributes
    ----------
    source : str
        The module of llama.cpp's converter that writes it; empty where none does.
    model_type : str
        On the hub; empty where it is the architecture's name, with underscores.
    rows : {"as on the hub", "pairs", "sections", "tiled"}
        How the rows of query and key stand in the file.
    norm : {"rmsnorm", "layernorm"}
        Kind of its norms, by the epsilon that llama.cpp's loader asks for.
    """

    source: str
    model_type: str = ""
    rows: Rows = "as on the hub"
    norm: Literal["rmsnorm", "layernorm"] = "rmsnorm"


ARCHITECTURES: Final[Mapping[str, Known]] = {
    "afmoe": Known("afmoe"),
    "apertus": Known("llama"),
    "arcee": Known("llama", rows=PAIRS),
    "arctic": Known("arctic", rows=PAIRS),
    "baichuan": Known("baichuan", rows=PAIRS),
    "bailingmoe": Known("bailingmoe", "bailing_moe", rows=PAIRS),
    "bailingmoe2": Known("bailingmoe", "bailing_moe_v2"),
    "bailingmoe3": Known("bailingmoe3", "bailing_moe_v3"),
    "bert": Known("bert", norm="layernorm"),
    "bitnet": Known("bitnet"),
    "bloom": Known("bloom", norm="layernorm"),
    "chameleon": Known("chameleon", rows=PAIRS),
    "chatglm": Known("chatglm"),
    "codeshell": Known("codeshell", norm="layernorm"),
    "cogvlm": Known("cogvlm", "cogvlm2"),
    "cohere2": Known("command_r", norm="layernorm"),
    "cohere2moe": Known("command_r", "cohere2_moe", norm="layernorm"),
    "command-r": Known("command_r", "cohere", norm="layernorm"),
    "dbrx": Known("dbrx", norm="layernorm"),
    "deci": Known("deci", "nemotron-nas", rows=PAIRS),
    "deepseek": Known("deepseek", rows=PAIRS),
    "deepseek2": Known("deepseek", "deepseek_v2"),
    "deepseek2-ocr": Known("deepseek", "deepseek_v2"),
    "deepseek32": Known("deepseek", "deepseek_v32"),
    "deepseek4": Known("deepseek", "deepseek_v4"),
    "dots1": Known("dots1"),
    "dots3note": Known("dots3", "dots3_note_text"),
    "dream": Known("dream", "Dream"),
    "ernie4_5": Known("ernie"),
    "ernie4_5-moe": Known("ernie", "ernie4_5_moe"),
    "eurobert": Known("bert"),
    "exaone": Known("exaone"),
    "exaone-moe": Known("exaone", "exaone_moe"),
    "exaone4": Known("exaone"),
    "falcon": Known("falcon", norm="layernorm"),
    "falcon-h1": Known("falcon_h1", "falcon_h1"),
    "gemma": Known("gemma"),
    "gemma-embedding": Known("gemma", "gemma3_text"),
    "gemma2": Known("gemma"),
    "gemma3": Known("gemma", "gemma3_text"),
    "gemma3n": Known("gemma", "gemma3n_text"),
    "gemma4": Known("gemma", "gemma4_text"),
    "glm-dsa": Known("glm", "glm_moe_dsa"),
    "glm4": Known("glm", rows=SECTIONS),
    "glm4moe": Known("glm", "glm4_moe"),
    "glm5-next": Known("glm", "glm5_next_text"),
    "gpt-oss": Known("gpt_oss", "gpt_oss"),
    "gpt2": Known("gpt2", norm="layernorm"),
    "gptj": Known("", norm="layernorm"),
    "gptneox": Known("gptneox", "gpt_neox", norm="layernorm"),
    "granite": Known("granite", rows=PAIRS),
    "granite_swa": Known("granite", rows=PAIRS),
    "granitehybrid": Known("granite", "granitemoehybrid", rows=PAIRS),
    "granitemoe": Known("granite", rows=PAIRS),
    "grok": Known("grok", "grok-1"),
    "grovemoe": Known("grovemoe"),
    "hunyuan-dense": Known("hunyuan", "hunyuan_v1_dense"),
    "hunyuan-moe": Known("hunyuan", "hunyuan_v1_moe"),
    "hunyuan_vl": Known("hunyuan", "hunyuan_vl_text"),
    "hy_v3": Known("hunyuan"),
    "hy_v4": Known("hy_v4"),
    "internlm2": Known("internlm", rows=PAIRS),
    "jais": Known("jais", norm="layernorm"),
    "jais2": Known("jais", norm="layernorm"),
    "jamba": Known("jamba"),
    "jina-bert-v2": Known("bert", "bert", norm="layernorm"),
    "jina-bert-v3": Known("bert", "xlm-roberta", norm="layernorm"),
    "kimi-k3": Known("kimi_k3", "kimi_k3"),
    "kimi-linear": Known("kimi_linear", "kimi_linear"),
    "laguna": Known("laguna"),
    "lfm2": Known("lfm2"),
    "lfm2moe": Known("lfm2", "lfm2_moe"),
    "llada": Known("llada", rows=PAIRS),
    "llada-moe": Known("llada", "llada_moe"),
    "llama": Known("llama", rows=PAIRS),
    "llama-embed": Known("llama", "llama", rows=PAIRS),
    "llama4": Known("llama", "llama4_text"),
    "maincoder": Known("maincoder"),
    "maple": Known("maple"),
    "mellum": Known("mellum"),
    "mimo2": Known("mimo", "mimo_v2"),
    "minicpm": Known("minicpm", rows=PAIRS),
    "minicpm3": Known("minicpm"),
    "minimax-01": Known("minimax", "minimax"),
    "minimax-m2": Known("minimax", "minimax_m2"),
    "minimax-m3": Known("minimax", "minimax_m3_vl_text"),
    "mistral3": Known("mistral3", "ministral3", rows=PAIRS),
    "mistral4": Known("mistral3"),
    "modern-bert": Known("bert", "modernbert", norm="layernorm"),
    "mpt": Known("mpt", norm="layernorm"),
    "muse-glimmer": Known("muse_glimmer", "muse_glimmer_text", rows=PAIRS),
    "nanbeige": Known("nanbeige", rows=PAIRS),
    "nemotron": Known("nemotron", norm="layernorm"),
    "nemotron_h": Known("nemotron", rows=PAIRS),
    "nemotron_h_moe": Known("nemotron", "nemotron_h", rows=PAIRS),
    "neo-bert": Known("bert", "neobert"),
    "nomic-bert": Known("bert", "nomic_bert", norm="layernorm"),
    "nomic-bert-moe": Known("bert", "nomic_bert_moe", norm="layernorm"),
    "olmo": Known("olmo", rows=PAIRS, norm="layernorm"),
    "olmo2": Known("olmo"),
    "olmoe": Known("olmo"),
    "openelm": Known("openelm"),
    "orion": Known("orion", norm="layernorm"),
    "paddleocr": Known("ernie", "paddleocr_vl_text"),
    "pangu-embedded": Known("pangu", "PanguEmbedded"),
    "phi2": Known("phi", "phi", norm="layernorm"),
    "phi3": Known("phi"),
    "phimoe": Known("phi", norm="layernorm"),
    "plamo": Known("plamo", rows=TILED),
    "plamo2": Known("plamo"),
    "plamo3": Known("plamo"),
    "plm": Known("plm"),
    "qwen": Known("qwen"),
    "qwen2": Known("qwen"),
    "qwen2moe": Known("qwen", "qwen2_moe"),
    "qwen2vl": Known("qwenvl", "qwen2_vl_text"),
    "qwen3": Known("qwen"),
    "qwen35": Known("qwen", "qwen3_5_text"),
    "qwen35moe": Known("qwen", "qwen3_5_moe_text"),
    "qwen3moe": Known("qwen", "qwen3_moe"),
    "qwen3next": Known("qwen", "qwen3_next"),
    "qwen3vl": Known("qwen3vl", "qwen3_vl_text"),
    "qwen3vlmoe": Known("qwen3vl", "qwen3_vl_moe_text"),
    "qwen4exp": Known("qwen4exp", "qwen4_exp_text"),
    "refact": Known("refact"),
    "rnd1": Known("qwen"),
    "seed_oss": Known("olmo"),
    "smallthinker": Known("smallthinker"),
    "smollm3": Known("llama", rows=PAIRS),
    "spark2_5": Known("spark2_5"),
    "stablelm": Known("stablelm", norm="layernorm"),
    "starcoder": Known("starcoder", "gpt_bigcode", norm="layernorm"),
    "starcoder2": Known("starcoder", norm="layernorm"),
    "step35": Known("step3", "step3p5"),
    "t5": Known("t5"),
    "t5encoder": Known("t5", "t5"),
    "xverse": Known("xverse", rows=PAIRS),
}

# What is not read, and what it is.
NOT_READ: Final[Mapping[str, str]] = {
    "arwkv7": "a recurrent network, which has no attention to measure",
    "clip": "the vision or audio tower of a model (mmproj), not its language model: give that",
    "dflash": "a head that drafts tokens for another model: give that model",
    "eagle3": "a head that drafts tokens for another model: give that model",
    "gemma4-assistant": "a head that drafts tokens for another model: give that model",
    "graniteswitch": "a model with several built-in adapters: give one of its bases",
    "hrm_text": "two stacks of layers under one layer count: give the original files",
    "mamba": "a state-space model, which has no attention to measure",
    "mamba2": "a state-space model, which has no attention to measure",
    "pockettts": "a speech model, not a language model",
    "qwen3tts": "a speech model, not a language model",
    "rwkv6": "a recurrent network, which has no attention to measure",
    "rwkv6qwen2": "a recurrent network, which has no attention to measure",
    "rwkv7": "a recurrent network, which has no attention to measure",
    "talkie": "stored with changed signs of query and key: give the original files",
    "wavtokenizer-dec": "an audio decoder, which has no attention to measure",
}
