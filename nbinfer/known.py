"""Models that people name: what each is for, how it wants to be asked, how much it can read.

It drives Tab, `%infer_models --known` and a word on prompts that are too long, and is no list of what is allowed. The
first seven are those of the Hugging Face post; all facts are those of the models' own cards and configurations.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One model: its hub id, task and context in tokens; for texts its template, for infill its markers and stop."""

    id: str
    task: str
    context: int | None = None
    template: str = ""
    infill: str = ""
    stop: str = ""


KNOWN: tuple[Known, ...] = (
    Known("meta-llama/Llama-2-7b-chat-hf", "chat", 4096, template="llama2-chat"),
    Known("meta-llama/Llama-2-13b-chat-hf", "chat", 4096, template="llama2-chat"),
    Known("meta-llama/Llama-2-70b-chat-hf", "chat", 4096, template="llama2-chat"),
    Known("codellama/CodeLlama-7b-hf", "text-generation", 16384, infill="<PRE> <SUF> <MID>", stop="<EOT>"),
    Known("codellama/CodeLlama-13b-hf", "text-generation", 16384, infill="<PRE> <SUF> <MID>", stop="<EOT>"),
    Known("codellama/CodeLlama-34b-Instruct-hf", "chat", 16384, template="code-llama-chat"),
    Known("stabilityai/stable-diffusion-xl-base-1.0", "text-to-image"),
    Known("meta-llama/Llama-3.1-8B-Instruct", "chat", 131072, stop="<|eot_id|>"),
    Known("meta-llama/Llama-3.3-70B-Instruct", "chat", 131072, stop="<|eot_id|>"),
    Known("Qwen/Qwen2.5-7B-Instruct", "chat", 32768, stop="<|im_end|>"),
    Known("Qwen/Qwen3-8B", "chat", 40960, stop="<|im_end|>"),
    Known("mistralai/Mistral-7B-Instruct-v0.3", "chat", 32768, stop="</s>"),
    Known("google/gemma-2-2b-it", "chat", 8192, stop="<end_of_turn>"),
    Known("HuggingFaceTB/SmolLM3-3B", "chat", 65536, stop="<|im_end|>"),
    Known("HuggingFaceH4/zephyr-7b-beta", "chat", 32768, stop="</s>"),
    Known("bigcode/starcoder2-15b", "text-generation", 16384, infill="<fim_prefix> <fim_suffix> <fim_middle>"),
    Known("Qwen/Qwen2.5-Coder-7B", "text-generation", 32768, infill="<|fim_prefix|> <|fim_suffix|> <|fim_middle|>"),
    Known("google/codegemma-7b", "text-generation", 8192, infill="<|fim_prefix|> <|fim_suffix|> <|fim_middle|>"),
    Known("sentence-transformers/all-MiniLM-L6-v2", "text-embedding", 256),
    Known("BAAI/bge-small-en-v1.5", "text-embedding", 512),
    Known("intfloat/multilingual-e5-small", "text-embedding", 512),
    Known("BAAI/bge-reranker-v2-m3", "rerank", 8192),
    Known("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "text-classification", 512),
    Known("facebook/bart-large-cnn", "summarization", 1024),
)


LETTERS = 4
"""A token has about so many letters in English; exact counts need the model's tokenizer."""


def context_of(model: str) -> int | None:
    """Return how many tokens a hub model can read and write together, None where that is not known here."""
    return next((known.context for known in KNOWN if known.id == model.partition(":")[0]), None)


def too_long(model: str, text: str, wanted: int) -> str:
    """Say that a prompt and the tokens wanted after it will hardly fit what a model can read; "" where they may."""
    context = context_of(model)
    read = len(text) // LETTERS
    if context is None or read + wanted <= context:
        return ""
    return f"about {read:,} tokens were sent and {wanted:,} wanted: {model} holds {context:,}"
