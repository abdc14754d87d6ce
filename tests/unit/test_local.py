"""The embedded text model: its arithmetic, its sampling, and that it answers as text-generation-inference does."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

import nbinfer.local
from nbinfer.errors import ModelNotFoundError, ParameterError, UnsupportedTaskError
from nbinfer.local import sampling
from nbinfer.local.model import BLOCK, Llama
from nbinfer.local.sampling import Sampler
from nbinfer.local.text import TextModel
from nbinfer.local.vocabulary import Vocabulary
from nbinfer.params import TextGeneration, resolve

SPECIALS = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<PRE>", "<SUF>", "<MID>", "<EOT>"]
BOS, EOS, INST, EOT = 1, 2, 3, 10
CONTEXT = 400
VOCABULARY = 300
SHIPPED = Path(nbinfer.local.__file__).parent / "weights" / "text"

shipped = pytest.mark.skipif(not (SHIPPED / "model.safetensors").exists(), reason="the weights are not there")


def make_tokenizer(path):
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["the cat sat on the mat and the dog sat on the log; naïve café 🙂🙂🙂"] * 3, trainer)
    tokenizer.save(str(path))


def make_model(folder):
    """Write a random model of the layout that the wheel has."""
    make_tokenizer(folder / "tokenizer.json")
    hidden, heads, groups, inner, layers = 32, 4, 2, 48, 2
    random = np.random.default_rng(7)
    tensors = {"model.norm.weight": 1 + random.normal(0, 0.2, hidden).astype(np.float32)}

    def matrix(name, rows, columns, spread):
        weights = random.normal(0, spread, (rows, columns))
        scale = (np.abs(weights).max(1) / 127).astype(np.float16)
        tensors[name] = (weights / scale[:, None].astype(float)).round().clip(-127, 127).astype(np.int8)
        tensors[f"{name}.scale"] = scale

    matrix("model.embed_tokens.weight", VOCABULARY, hidden, 0.4)
    for number in range(layers):
        layer = f"model.layers.{number}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}{norm}.weight"] = 1 + random.normal(0, 0.2, hidden).astype(np.float32)
        width = hidden // heads
        matrix(f"{layer}self_attn.q_proj.weight", hidden, hidden, 0.4)
        matrix(f"{layer}self_attn.k_proj.weight", groups * width, hidden, 0.4)
        matrix(f"{layer}self_attn.v_proj.weight", groups * width, hidden, 0.3)
        matrix(f"{layer}self_attn.o_proj.weight", hidden, hidden, 0.3)
        matrix(f"{layer}mlp.gate_proj.weight", inner, hidden, 0.3)
        matrix(f"{layer}mlp.up_proj.weight", inner, hidden, 0.3)
        matrix(f"{layer}mlp.down_proj.weight", hidden, inner, 0.3)
    save_file(tensors, folder / "model.safetensors")
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": inner,
        "vocab_size": VOCABULARY,
        "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "bos_token_id": BOS,
        "eos_token_id": [EOS, EOT],
    }
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_model(folder)
    return folder


@pytest.fixture(scope="module")
def llama(folder):
    return Llama(folder)


@pytest.fixture
def model(folder):
    return TextModel(folder, name="local/tiny")


@pytest.fixture(scope="module")
def vocabulary(folder):
    return Vocabulary(folder / "tokenizer.json")


@pytest.fixture(scope="module")
def tokenizer(folder):
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def spelled(model, text):
    """Return a text as tokens of one byte each."""
    alone = {model._vocabulary._spelling[token]: token for token in range(len(SPECIALS), VOCABULARY)}
    return [alone[bytes([byte])] for byte in text.encode()]


@pytest.fixture
def script(model, monkeypatch):
    """Make the model say what it is told: a list of token ids, or texts that are tokenised."""

    def say(*parts):
        tokens = []
        for part in parts:
            tokens += [part] if isinstance(part, int) else model._vocabulary.encode(part)[1:]
        queue = iter(tokens)

        def forward(given, cache, *, every=False):
            logits = np.zeros(model._model.vocabulary, np.float32)
            logits[next(queue)] = 20
            return logits

        monkeypatch.setattr(model._model, "forward", forward)
        return tokens

    return say


def told(model, prompt="the cat", **parameters):
    return list(model.generate(prompt, parameters))


# The forward pass


def reference(folder, tokens):
    """Compute Llama's logits in double precision, one position and one head at a time."""
    config = json.loads((folder / "config.json").read_text())
    stored = load_file(folder / "model.safetensors")
    hidden, heads, groups = (config[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
    width = hidden // heads

    def weight(name):
        tensor = stored[name].astype(np.float64)
        return tensor * stored[f"{name}.scale"].astype(np.float64)[:, None] if tensor.ndim == 2 else tensor

    def norm(x, name):
        return x / math.sqrt((x**2).mean() + config["rms_norm_eps"]) * weight(name)

    def rotate(head, position):
        turned = np.empty(width)
        for i in range(width // 2):
            angle = position / config["rope_theta"] ** (2 * i / width)
            a, b = head[i], head[i + width // 2]
            turned[i] = a * math.cos(angle) - b * math.sin(angle)
            turned[i + width // 2] = b * math.cos(angle) + a * math.sin(angle)
        return turned

    stream = [weight("model.embed_tokens.weight")[token] for token in tokens]
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}."
        q, k, v, o = (weight(f"{layer}self_attn.{name}_proj.weight") for name in "qkvo")
        keys, values = [], []
        for position, before in enumerate(stream):
            x = norm(before, f"{layer}input_layernorm.weight")
            keys.append([rotate(head, position) for head in (k @ x).reshape(groups, width)])
            values.append((v @ x).reshape(groups, width))
            mixed = []
            for head, unturned in enumerate((q @ x).reshape(heads, width)):
                query, group = rotate(unturned, position), head // (heads // groups)
                scores = [math.exp(query @ keys[past][group] / math.sqrt(width)) for past in range(position + 1)]
                mixed.append(sum(s / sum(scores) * values[past][group] for past, s in enumerate(scores)))
            stream[position] = before + o @ np.concatenate(mixed)
        gate, up, down = (weight(f"{layer}mlp.{name}_proj.weight") for name in ("gate", "up", "down"))
        for position, before in enumerate(stream):
            x = norm(before, f"{layer}post_attention_layernorm.weight")
            opened = gate @ x / (1 + np.exp(-(gate @ x)))
            stream[position] = before + down @ (opened * (up @ x))
    return np.array([weight("model.embed_tokens.weight") @ norm(x, "model.norm.weight") for x in stream])


def log_probabilities(logits):
    return (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )


@pytest.fixture(scope="module")
def sequence(llama):
    return np.random.default_rng(3).integers(0, llama.vocabulary, 2 * BLOCK + 5).tolist()


@pytest.fixture(scope="module")
def expected(folder, sequence):
    return reference(folder, sequence)


@pytest.mark.parametrize("length", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_forward_agrees_with_a_plain_double_precision_llama(llama, sequence, expected, length):
    """A prompt of any length gives the logits of an independent float64 computation, at every position."""
    logits = llama.forward(sequence[:length], llama.cache(length), every=True)
    np.testing.assert_allclose(logits, expected[:length], atol=2e-4)


@pytest.mark.parametrize("prompt", [1, 5, BLOCK, BLOCK + 3])
def test_tokens_read_one_by_one_agree_with_the_whole(llama, sequence, expected, prompt):
    """After a prompt, single tokens through the cache give what reading everything at once gives."""
    cache = llama.cache(len(sequence))
    logits = [llama.forward(sequence[:prompt], cache)]
    logits += [llama.forward(token, cache) for token in sequence[prompt:]]
    np.testing.assert_allclose(logits, expected[prompt - 1 :], atol=2e-4)


def test_setting_the_length_back_forgets_what_came_after(llama, sequence):
    """A cache whose length is set back continues as if the rest had never been read."""
    cache = llama.cache(20)
    llama.forward(sequence[:6], cache)
    first = llama.forward(sequence[6], cache)
    llama.forward(sequence[20:30], cache)
    cache.length = 6
    assert np.array_equal(llama.forward(sequence[6], cache), first)


def test_logits_stay_finite_when_activations_are_large(folder, tmp_path, sequence):
    """Weights that are a thousand times too large give no overflow and no NaN."""
    shutil.copytree(folder, tmp_path / "large")
    tensors = load_file(folder / "model.safetensors")
    large = {name: t if t.ndim > 1 or "scale" in name else t * np.float32(1000) for name, t in tensors.items()}
    save_file(large, tmp_path / "large" / "model.safetensors")
    llama = Llama(tmp_path / "large")
    cache = llama.cache(50)
    assert np.isfinite(llama.forward(sequence[:40], cache)).all()
    assert np.isfinite(llama.forward(sequence[40], cache)).all()


@shipped
def test_the_forward_pass_stays_in_its_thread():
    """No BLAS thread works for a prompt or a token: where cores are shared, waiting for them takes seconds."""
    llama = nbinfer.local.load("text", "text-generation")._model
    cache = llama.cache(llama.context)
    whole, own = time.process_time(), time.thread_time()
    llama.forward(list(range(300)), cache)
    for token in range(100):
        llama.forward(token, cache)
    whole, own = time.process_time() - whole, time.thread_time() - own
    assert whole - own < 0.1 * own


# Choosing a token

TOKENS = st.integers(0, VOCABULARY - 1)
SCORES = st.lists(st.floats(-30, 30), min_size=1, max_size=40).map(np.array)
PARTS = st.floats(0.001, 0.999)


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def transformers_mask(name, scores, limit):
    """Say what transformers' warper of this name keeps; ascending sorts of everything, as it does them."""
    if name == "top_k":
        return scores >= np.sort(scores)[-min(limit, scores.size)]
    kept = np.ones(scores.size, bool)
    if name == "top_p":
        order = np.argsort(scores, kind="stable")
        kept[order] = np.cumsum(softmax(scores)[order]) > 1 - limit
        kept[order[-1]] = True
        return kept
    logarithms = np.log(softmax(scores))
    distance = np.abs(-logarithms + (np.exp(logarithms) * logarithms).sum())
    order = np.argsort(distance, kind="stable")
    last = min((np.cumsum(softmax(scores)[order]) < limit).sum(), scores.size - 1)
    return distance <= distance[order[last]]


@given(scores=SCORES, limit=st.integers(1, 50))
def test_top_k_keeps_the_highest_and_ties(scores, limit):
    """top_k keeps exactly what transformers keeps: all scores not below the k-th."""
    assert set(sampling.top_k(scores, limit)) == set(np.flatnonzero(transformers_mask("top_k", scores, limit)))


@given(scores=SCORES, limit=PARTS)
def test_top_p_keeps_the_smallest_likeliest_set(scores, limit):
    """What top_p keeps is likelier than what it drops, reaches the limit, and would not without its least likely."""
    kept = sampling.top_p(scores, limit)
    probabilities = softmax(scores)
    dropped = np.delete(probabilities, kept)
    assert len(set(kept)) == len(kept) > 0
    assert not dropped.size or dropped.max() <= probabilities[kept].min()
    assert probabilities[kept].sum() >= limit - 1e-9
    assert probabilities[kept].sum() - probabilities[kept].min() < limit + 1e-9


@given(scores=SCORES, limit=PARTS)
def test_typical_p_keeps_the_set_nearest_to_the_entropy(scores, limit):
    """What typical_p keeps is nearer to the entropy than what it drops, and no larger than the limit asks for."""
    kept = sampling.typical_p(scores, limit)
    probabilities = softmax(scores)
    distance = np.abs(-np.log(probabilities) + (probabilities * np.log(probabilities)).sum())
    dropped = np.delete(distance, kept)
    assert len(set(kept)) == len(kept) > 0
    assert not dropped.size or distance[kept].max() < dropped.min() + 1e-9
    assert probabilities[kept].sum() >= limit - 1e-9
    nearer = kept[distance[kept] < distance[kept].max() - 1e-9]
    assert probabilities[nearer].sum() < limit + 1e-9


@pytest.mark.parametrize("spread", [0.01, 1, 4])
@pytest.mark.parametrize(
    ("name", "limit"), [("top_k", 50), ("top_p", 0.9), ("top_p", 0.3), ("typical_p", 0.9), ("typical_p", 0.2)]
)
def test_filters_agree_with_transformers_on_a_large_vocabulary(name, limit, spread):
    """On 5,000 scores, flat or peaked, each filter keeps the tokens that transformers' full sort keeps."""
    scores = np.random.default_rng(5).normal(0, spread, 5000)
    kept = sampling.FILTERS[name](scores, limit)
    assert set(kept) == set(np.flatnonzero(transformers_mask(name, scores, limit)))


@pytest.mark.parametrize(
    "options",
    [
        {"do_sample": True},
        {"temperature": 0.5},
        {"temperature": 2.0, "top_k": 4},
        {"top_p": 0.7},
        {"typical_p": 0.6},
        {"temperature": 2.0, "top_k": 3, "top_p": 0.6},
        {"temperature": 1.3, "top_k": 7, "top_p": 0.9, "typical_p": 0.8},
    ],
)
def test_draws_follow_the_distribution(options):
    """Tokens are drawn as often as temperature and the filters, applied in TGI's order, say."""
    logits = np.random.default_rng(11).normal(0, 1.5, 12)
    scores = logits / options.get("temperature", 1)
    for name in ("top_k", "top_p", "typical_p"):
        if name in options:
            finite = np.isfinite(scores)
            mask = np.zeros(scores.size, bool)
            mask[finite] = transformers_mask(name, scores[finite], options[name])
            scores = np.where(mask, scores, -np.inf)
    sampler = Sampler(options, tokens=[0], vocabulary=12, seed=1)
    draws = np.bincount([sampler.choose(logits.astype(np.float32)) for _ in range(5000)], minlength=12) / 5000
    np.testing.assert_allclose(draws, softmax(scores), atol=0.03)
    assert not draws[~np.isfinite(scores)].any()


def test_penalties_follow_transformers_and_tgi():
    """Tokens seen, in the prompt too, are divided or multiplied by one penalty and lowered by a share of the other."""
    logits = np.array([3.0, -2.0, 1.0, 0.5, 2.0], np.float32)
    sampler = Sampler({"repetition_penalty": 2.0, "frequency_penalty": 1.5}, tokens=[0, 1, 1, 3], vocabulary=5)
    scores = sampler._penalised(logits)
    np.testing.assert_allclose(scores, [1.5 - 1.5 / 4, -4 - 1.5 * 2 / 4, 1.0, 0.25 - 1.5 / 4, 2.0])
    assert sampler.choose(logits) == 4
    np.testing.assert_allclose(sampler._penalised(logits)[4], 1 - 1.5 / 5)


@settings(max_examples=300)
@example(logits=[5.0, 1.0], options={"repetition_penalty": 5e-324}, seed=0)
@example(logits=[-5.0, 1.0], options={"repetition_penalty": 1e308}, seed=0)
@example(logits=[5.0, 1.0, 1.0], options={"temperature": 5e-324, "typical_p": 0.5}, seed=0)
@given(
    logits=st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=30),
    options=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(5e-324, 1e308),
            "repetition_penalty": st.floats(5e-324, 1e308),
            "frequency_penalty": st.floats(-2, 2),
            "top_k": st.integers(1, 100),
            "top_p": st.floats(5e-324, 1, exclude_max=True),
            "typical_p": st.floats(5e-324, 1, exclude_max=True),
        },
    ),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_legal_option_gives_a_token(logits, options, seed):
    """No value that the checks let through, however extreme, fails or leaves the vocabulary."""
    sampler = Sampler(options, tokens=[0], vocabulary=len(logits), seed=seed)
    for _ in range(3):
        assert 0 <= sampler.choose(np.array(logits, np.float32)) < len(logits)


def test_without_a_seed_the_likeliest_is_taken():
    """Without sampling the highest score wins, whatever temperature and filters would say."""
    sampler = Sampler({"top_k": 3}, tokens=[0], vocabulary=4)
    assert [sampler.choose(np.array([0, 2, 1, 2.5], np.float32)) for _ in range(20)] == [3] * 20


# Text and tokens


@given(st.lists(TOKENS, max_size=30))
def test_decoding_step_by_step_equals_decoding_the_whole(vocabulary, tokenizer, tokens):
    """Any tokens, broken UTF-8 too, join to what tokenizers makes of the whole, with and without control tokens."""
    decoder = vocabulary.decoder()
    texts = [decoder.add(token) for token in tokens]
    plain = "".join(text for token, text in zip(tokens, texts, strict=True) if not vocabulary.special(token))
    assert plain + decoder.end() == tokenizer.decode(tokens, skip_special_tokens=True)
    for token in tokens:
        assert vocabulary.text(token) == tokenizer.decode([token], skip_special_tokens=False)


@given(st.text(max_size=40))
def test_text_survives_the_way_there_and_back(vocabulary, text):
    """Any text without control tokens in it comes back exactly, the begin token apart."""
    begin, *tokens = vocabulary.encode(text)
    decoder = vocabulary.decoder()
    assert begin == BOS
    assert "".join(map(decoder.add, tokens)) + decoder.end() == text


def test_tokens_added_beyond_the_alphabet_are_plain_text(folder, tmp_path):
    """A tokenizer's own additional words, with characters no byte is spelled by, are text like any other."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["two words 🙂"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vocabulary = Vocabulary(tmp_path / "tokenizer.json")
    (token,) = vocabulary.encode("two words 🙂")[1:]
    assert vocabulary.text(token) == "two words 🙂"
    assert not vocabulary.special(token)


# Generating


def test_chunks_have_the_form_of_tgi(model):
    """Indices count from 1, only the last chunk ends it, and the texts of the tokens join to the whole."""
    chunks = told(model, max_new_tokens=12, temperature=1.0, seed=4)
    assert [chunk.index for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert all(chunk.generated_text is None and chunk.details is None for chunk in chunks[:-1])
    last = chunks[-1]
    assert last.generated_text == "".join(c.token.text for c in chunks if not c.token.special)
    assert last.details.tokens == [chunk.token for chunk in chunks]
    assert last.details.generated_tokens == len(chunks)
    assert last.details.input_length == model.count("the cat")
    assert last.details.prefill == []
    assert last.details.top_tokens is None
    assert all(chunk.text == "" for chunk in chunks)


@settings(max_examples=50)
@given(st.lists(TOKENS.filter(lambda token: token not in {EOS, EOT}), min_size=1, max_size=20))
def test_generated_text_is_the_whole_decoded(folder, tokenizer, tokens):
    """The text is what tokenizers decodes without control tokens, even when a character is cut at the end."""
    model = TextModel(folder, name="local/tiny")
    queue = iter(tokens)

    def forward(given, cache):
        return np.eye(model._model.vocabulary, dtype=np.float32)[next(queue)]

    model._model.forward = forward
    chunks = told(model, max_new_tokens=len(tokens))
    assert [chunk.token.id for chunk in chunks] == tokens
    if tokens[-1] > EOT:
        assert chunks[-1].generated_text == tokenizer.decode(tokens, skip_special_tokens=True)
    assert chunks[-1].generated_text == "".join(c.token.text for c in chunks if not c.token.special)


def test_characters_come_whole(model, script):
    """The bytes of a character give empty texts until the last one gives the character."""
    script("the ", *spelled(model, "é🙂"), EOS)
    texts = [chunk.token.text for chunk in told(model)]
    assert texts[-7:] == ["", "é", "", "", "", "🙂", "</s>"]


def test_a_character_that_is_never_finished_leaves_control_tokens_alone(model, script):
    """An end token in the middle of a character keeps its own text, and the text before it stays whole."""
    script("the", *spelled(model, "🙂")[:2], EOS)
    last = told(model)[-1]
    assert last.token.text == "</s>"
    assert last.generated_text == "the"


def test_logprobs_are_the_models_own(model, folder):
    """Reported logprobs are those of the logits, whatever penalties, temperature and filters do to the choice."""
    options = {"temperature": 0.3, "top_k": 3, "repetition_penalty": 1.7, "seed": 5, "max_new_tokens": 8}
    chunks = told(model, **options)
    tokens = model._vocabulary.encode("the cat")
    expected = log_probabilities(reference(folder, tokens + [chunk.token.id for chunk in chunks]))
    for place, chunk in enumerate(chunks, start=len(tokens) - 1):
        assert chunk.token.logprob == pytest.approx(expected[place, chunk.token.id], abs=1e-3)


def test_prompt_tokens_are_reported_when_asked_for(model, folder):
    """decoder_input_details lists the prompt's tokens with the logprob each had, the first one with none."""
    details = told(model, "the naïve cat", decoder_input_details=True, max_new_tokens=2)[-1].details
    tokens = model._vocabulary.encode("the naïve cat")
    expected = log_probabilities(reference(folder, tokens))
    assert [token.id for token in details.prefill] == tokens
    assert "".join(token.text for token in details.prefill) == "<s>the naïve cat"
    assert details.prefill[0].logprob is None
    logprobs = [token.logprob for token in details.prefill[1:]]
    assert logprobs == pytest.approx([expected[n, token] for n, token in enumerate(tokens[1:])], abs=1e-3)


def test_alternatives_are_the_likeliest_first(model, folder):
    """top_n_tokens reports for each step the n likeliest tokens in falling order, in the chunk and in the details."""
    chunks = told(model, top_n_tokens=4, max_new_tokens=3)
    tokens = model._vocabulary.encode("the cat")
    expected = log_probabilities(reference(folder, tokens + [chunk.token.id for chunk in chunks]))
    for place, chunk in enumerate(chunks, start=len(tokens) - 1):
        assert [token.id for token in chunk.top_tokens] == np.argsort(-expected[place])[:4].tolist()
        assert chunk.top_tokens[0] == chunk.token or chunk.token.text == ""
        assert chunk.top_tokens[3].logprob == pytest.approx(np.sort(expected[place])[-4], abs=1e-3)
    assert chunks[-1].details.top_tokens == [chunk.top_tokens for chunk in chunks]


def test_a_seed_repeats_and_is_echoed_when_sampling(model):
    """The same seed gives the same answer, another one another; it is reported only when it was used."""
    first, again, other = (
        told(model, temperature=1.0, seed=seed, max_new_tokens=20)[-1] for seed in (2**64 - 1, 2**64 - 1, 0)
    )
    assert first == again
    assert first.details.seed == 2**64 - 1
    assert other.details.seed == 0
    assert other.generated_text != first.generated_text
    assert told(model, seed=5, max_new_tokens=2)[-1].details.seed is None
    assert told(model, seed=5, temperature=0, max_new_tokens=2)[-1].details.seed is None


def test_without_a_seed_each_answer_has_its_own(model):
    """Sampling without a seed draws one and reports it, so that the answer can be repeated."""
    one, two = (told(model, do_sample=True, max_new_tokens=20)[-1] for _ in range(2))
    assert one.details.seed != two.details.seed
    again = told(model, do_sample=True, max_new_tokens=20, seed=one.details.seed)[-1]
    assert again.generated_text == one.generated_text


def test_best_of_returns_the_likeliest_of_its_runs(model):
    """best_of gives the run with the highest mean logprob and keeps the others in the details."""
    chunks = told(model, best_of=5, temperature=1.5, max_new_tokens=9, top_n_tokens=2, decoder_input_details=True)
    details = chunks[-1].details
    assert details.tokens == [chunk.token for chunk in chunks]

    def mean(tokens):
        return np.mean([token.logprob for token in tokens])

    assert len(details.best_of_sequences) == 4
    assert all(mean(details.tokens) >= mean(other.tokens) for other in details.best_of_sequences)
    assert len({details.seed, *(other.seed for other in details.best_of_sequences)}) == 5
    for other in details.best_of_sequences:
        assert other.generated_text == "".join(token.text for token in other.tokens if not token.special)
        assert other.generated_tokens == len(other.tokens) == len(other.top_tokens)
        assert other.prefill == details.prefill
        assert other.finish_reason in {"length", "eos_token"}


def test_a_run_of_best_of_equals_the_same_seed_alone(model):
    """Runs of best_of share the prompt's cache and leave no trace in one another."""
    details = told(model, best_of=3, temperature=1.2, max_new_tokens=9)[-1].details
    for run in (details, *details.best_of_sequences):
        alone = told(model, temperature=1.2, max_new_tokens=9, seed=run.seed)[-1].details
        assert [token.id for token in alone.tokens] == [token.id for token in run.tokens]


@pytest.mark.parametrize(
    ("said", "options", "reason", "text"),
    [
        (["the cat sat"], {"max_new_tokens": 2}, "length", None),
        (["the", EOS], {"max_new_tokens": 2}, "length", "the"),
        (["the", EOS], {"max_new_tokens": 9}, "eos_token", "the"),
        (["the", EOT], {"max_new_tokens": 9}, "eos_token", "the"),
        (["the", INST, "cat", EOS], {}, "eos_token", "thecat"),
        (["the cat", " sat", EOS], {"stop": ["cat"]}, "stop_sequence", "the cat"),
        (["the cat", " sat", EOS], {"stop": ["zebra", " s", "e c"]}, "stop_sequence", None),
        (["the", INST, "cat", EOS], {"stop": ["[INST]"]}, "stop_sequence", "the"),
        (["the", EOS], {"stop": ["</s>"]}, "eos_token", "the"),
    ],
)
def test_it_ends_where_tgi_ends(model, script, said, options, reason, text):
    """The count goes before an end token and that before a stop text, which stays; control tokens are no text."""
    script(*said)
    last = told(model, **options)[-1]
    assert last.details.finish_reason == reason
    assert text is None or last.generated_text == text


def test_a_stop_text_is_found_across_tokens(model, script):
    """A stop text that several tokens make together ends the generation with the last of them."""
    script("the ", *spelled(model, "zebra"), EOS)
    last = told(model, stop=["zebra", "zoo"])[-1]
    assert last.details.finish_reason == "stop_sequence"
    assert last.generated_text == "the zebra"


@pytest.mark.parametrize("stop", ["\n", "e", "ca", " ca", "at ", "he c"])
def test_a_stop_text_is_found_inside_a_token(model, script, stop):
    """A stop text that ends in the middle of a token ends the generation with that token, and only with it."""
    tokens = script("the cat sat on\n\nthe mat", EOS)
    whole = "the cat sat on\n\nthe mat"
    chunks = told(model, stop=["zebra", stop])
    text = chunks[-1].generated_text
    assert chunks[-1].details.finish_reason == "stop_sequence"
    assert stop in text
    assert whole.startswith(text)
    assert stop not in "".join(chunk.token.text for chunk in chunks[:-1])
    assert [chunk.token.id for chunk in chunks] == tokens[: len(chunks)]


def test_the_prompt_goes_in_front_when_asked_for(model, script):
    """return_full_text puts the whole prompt, even one that was cut for the model, before the answer."""
    script(" sat", EOS)
    last = told(model, "the naïve cat", return_full_text=True, truncate=2)[-1]
    assert last.generated_text == "the naïve cat sat"
    assert last.details.input_length == 2


def test_truncate_keeps_the_end_of_the_prompt(model):
    """truncate=n reads the last n tokens, as TGI does."""
    tokens = model._vocabulary.encode("the cat sat on the mat")
    details = told(model, "the cat sat on the mat", truncate=3, decoder_input_details=True, max_new_tokens=1)[
        -1
    ].details
    assert [token.id for token in details.prefill] == tokens[-3:]
    assert told(model, "the cat", truncate=300, max_new_tokens=1)[-1].details.input_length == model.count("the cat")


def test_the_default_length_is_what_is_left_up_to_256(model, script):
    """Without max_new_tokens it writes 256 tokens, or fewer where the context is full before."""
    prompts = ["the cat", "the " * 200]
    for prompt in prompts:
        script(*["a"] * 300)
        left = CONTEXT - model.count(prompt)
        assert len(told(model, prompt)) == min(256, left)


# What is refused


@pytest.mark.parametrize(
    ("prompt", "parameters", "message"),
    [
        ("", {}, "`inputs` cannot be empty"),
        ("a", {"truncate": 0}, f"`truncate` must be strictly positive and less than {CONTEXT - 1}. Given: 0"),
        (
            "a",
            {"truncate": CONTEXT},
            f"`truncate` must be strictly positive and less than {CONTEXT - 1}. Given: {CONTEXT}",
        ),
        (
            "aaaa",
            {"max_new_tokens": CONTEXT},
            (
                f"`inputs` tokens + `max_new_tokens` must be <= {CONTEXT}. "
                f"Given: 5 `inputs` tokens and {CONTEXT} `max_new_tokens`"
            ),
        ),
        ("a" * (CONTEXT - 1), {}, f"`inputs` must have less than {CONTEXT - 1} tokens. Given: {CONTEXT}"),
        ("a", {"grammar": {"type": "regex", "value": "a+"}}, "grammar is not supported"),
        ("a", {"watermark": True}, "watermark is not supported"),
        ("a", {"adapter_id": "x"}, "adapter_id is not supported"),
    ],
)
def test_refusals_have_the_words_of_the_server(model, prompt, parameters, message):
    """What only the model can know is refused when the call is made, in TGI's words."""
    with pytest.raises(ParameterError) as refused:
        model.generate(prompt, parameters)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("letters", "parameters", "hint"),
    [
        (199, {"max_new_tokens": 300}, "Use truncate=100, which keeps the end of the prompt, or max_new_tokens=200."),
        (199, {"max_new_tokens": 999}, "Use max_new_tokens=200."),
        (499, {"max_new_tokens": 300}, "Use truncate=100, which keeps the end of the prompt."),
        (499, {"max_new_tokens": 999}, "Use truncate=200 with max_new_tokens=200."),
        (499, {}, "Use truncate=144, which keeps the end of the prompt."),
        (399, {}, "Use truncate=144, which keeps the end of the prompt."),
    ],
)
def test_a_prompt_that_is_too_long_is_told_what_fits(model, letters, parameters, hint):
    """The hint of a refusal names numbers that work."""
    with pytest.raises(ParameterError) as refused:
        model.generate("a" * letters, parameters)
    assert refused.value.hint == hint
    works = {
        name: int(value)
        for name, value in (part.split("=") for part in hint.rstrip(".").replace(",", "").split() if "=" in part)
    }
    for chosen in [works] if " with " in hint else [{name: value} for name, value in works.items()]:
        model.generate("a" * letters, {**parameters, **chosen})


def test_a_context_may_be_filled_to_the_last_token(model, script):
    """Prompt and answer together may take the whole context, and not one token more."""
    script(*["a"] * 10)
    prompt, left = "a" * (CONTEXT - 11), 10
    assert len(told(model, prompt, max_new_tokens=left)) == left
    with pytest.raises(ParameterError, match="must be <="):
        model.generate(prompt, {"max_new_tokens": left + 1})


def test_text_that_is_no_unicode_is_refused(model):
    """Half a surrogate pair, which no tokenizer takes, is the caller's mistake."""
    with pytest.raises(ParameterError, match="tokenizer error"):
        model.generate("\ud83d", {})


def test_limits_are_those_the_checks_need(model):
    """What the model allows goes into the checks that are made before the call."""
    assert model.limits.max_total_tokens == CONTEXT
    assert model.limits.max_input_tokens == CONTEXT - 1
    with pytest.raises(ParameterError, match=r"`best_of` must be > 0 and <= 8\. Given: 9"):
        resolve(TextGeneration, {"best_of": 9, "temperature": 1.0}, limits=model.limits)
    assert model.count("") == 1


# Sharing and stopping


def test_closing_a_generation_frees_it(model, monkeypatch):
    """A generation that is closed between two tokens keeps nothing alive."""
    make, caches = model._model.cache, []

    def cache(capacity):
        made = make(capacity)
        caches.append(weakref.ref(made))
        return made

    monkeypatch.setattr(model._model, "cache", cache)
    stream = model.generate("the cat", {"max_new_tokens": 50, "temperature": 1.0, "seed": 1})
    next(stream)
    assert caches[0]() is not None
    stream.close()
    assert caches[0]() is None
    assert list(stream) == []


def test_threads_do_not_disturb_one_another(model):
    """Two generations at the same time give what each gives alone."""
    calls = [("the cat", {"temperature": 1.0, "seed": n, "max_new_tokens": 60}) for n in range(4)]
    alone = [list(model.generate(*call)) for call in calls]
    together = {}
    threads = [
        threading.Thread(target=lambda n=n, call=call: together.update({n: list(model.generate(*call))}))
        for n, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[n] for n in range(4)] == alone


def test_nothing_heavy_is_imported_before_it_is_needed():
    """Importing the package loads no numpy and no tokenizer, and using a model never loads huggingface_hub."""
    code = (
        "import sys, nbinfer, nbinfer.local; heavy = {'numpy', 'tokenizers', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import nbinfer.local.text\n"
        "assert 'huggingface_hub' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_model_is_named():
    """A name that is not embedded is refused with those that are."""
    with pytest.raises(ModelNotFoundError) as refused:
        nbinfer.local.load("texd", "text-generation")
    assert "text" in refused.value.hint


def test_a_model_of_another_task_is_refused():
    """An embedded model asked for what it does not do names what it does, and which one does the other."""
    with pytest.raises(UnsupportedTaskError) as refused:
        nbinfer.local.load("embed", "text-generation")
    assert "local/embed is for text-embedding" in str(refused.value)
    assert "local/text" in refused.value.hint


# The weights in the wheel

STORY = (
    "Once upon a time there was a little girl named Lily. She had a small red ball. Every day she played with it in "
    "the garden. One day the ball was gone. Lily was very sad. Her friend the dog helped her look for it."
)


def perplexity(folder):
    vocabulary, llama = Vocabulary(folder / "tokenizer.json"), Llama(folder)
    tokens = vocabulary.encode(STORY)
    logits = llama.forward(tokens, llama.cache(len(tokens)), every=True)
    return math.exp(-log_probabilities(logits)[np.arange(len(tokens) - 1), tokens[1:]].mean())


@shipped
def test_the_model_is_loaded_once_for_all_threads():
    """Threads that ask for the model at the same time get the same one."""
    found = []
    load = partial(nbinfer.local.load, "text", "text-generation")
    threads = [threading.Thread(target=lambda: found.append(load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(model) for model in found}) == 1
    assert found[0].name == "local/text"


@shipped
def test_the_text_comes_from_the_weights(tmp_path):
    """A simple story is likely under the weights, and as unlikely as chance once they are shuffled."""
    shutil.copytree(SHIPPED, tmp_path / "shuffled")
    random = np.random.default_rng(1)
    tensors = load_file(SHIPPED / "model.safetensors")
    mixed = {name: random.permutation(tensor.reshape(-1)).reshape(tensor.shape) for name, tensor in tensors.items()}
    save_file(mixed, tmp_path / "shuffled" / "model.safetensors")
    vocabulary = json.loads((SHIPPED / "config.json").read_text())["vocab_size"]
    assert perplexity(SHIPPED) < vocabulary / 20
    assert perplexity(tmp_path / "shuffled") > vocabulary / 2


@shipped
def test_the_shipped_forward_pass_agrees_with_the_reference():
    """The weights in the wheel, with their own sizes, give the logits of the independent computation."""
    vocabulary, llama = Vocabulary(SHIPPED / "tokenizer.json"), nbinfer.local.load("text", "text-generation")._model
    tokens = vocabulary.encode(STORY)[:20]
    logits = llama.forward(tokens, llama.cache(len(tokens)), every=True)
    np.testing.assert_allclose(logits, reference(SHIPPED, tokens), atol=1e-3)


@shipped
def test_the_shipped_model_tells_a_story():
    """The model in the wheel continues a story's beginning with words, the same ones for the same seed."""
    model = nbinfer.local.load("text", "text-generation")
    options = {"temperature": 0.7, "top_k": 50, "top_p": 0.95, "seed": 42, "max_new_tokens": 60}
    first, again = (list(model.generate("Once upon a time", options))[-1] for _ in range(2))
    assert first.generated_text == again.generated_text
    assert len(first.generated_text.split()) > 20
