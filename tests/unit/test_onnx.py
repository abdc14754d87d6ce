"""Models in ONNX form: their arithmetic, one sampler for both engines, and what is said where a file is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: graphs cannot be made")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'nbinfer[onnx]'")

import onnx_models as made
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_local import make_tokenizer, reference
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import nbinfer.local
from nbinfer.errors import InferError, MissingExtraError, ModelNotFoundError, ParameterError, UnsupportedTaskError
from nbinfer.local import hub, onnx
from nbinfer.local.model import Llama
from nbinfer.local.text import TextModel
from nbinfer.local.vocabulary import Vocabulary
from nbinfer.templates import templates_of

SHIPPED = Path(nbinfer.local.__file__).parent / "weights" / "text"
KINDS: Mapping[str, Mapping[str, object]] = {
    "plain": {},
    "half": {"half": True},
    "no positions": {"positions": False},
    "no cache": {"past": False},
    "merged": {"merged": True, "graph": "onnx/decoder_model_merged.onnx"},
    "in place": {"grouped": True},
    "last only": {"last_only": True},
    "as many as asked": {"keeping": True},
    "short": {"short": True},
    "no cache, last only": {"past": False, "last_only": True},
    "outside": {"external": True, "graph": "model.onnx"},
}
TEXTS = [
    "The cat sat on the mat.",
    "a dog",
    "Big red birds, every morning?",
    "cat",
    "the the the the dogs ran in a park",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    made.write_source(folder)
    make_tokenizer(folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def folders(source, tmp_path_factory):
    """Write one repository of each kind, from the same weights."""
    root = tmp_path_factory.mktemp("decoders")
    return {kind: made.write_decoder(source, root / kind, **options) for kind, options in KINDS.items()}


@pytest.fixture(scope="module")
def decoders_(folders):
    return {kind: hub.load(str(folder))._model for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def decoder(decoders_, kind):
    return decoders_[kind]


@pytest.fixture(scope="module")
def sequence():
    return np.random.default_rng(3).integers(11, 290, 40).tolist()


@pytest.fixture(scope="module")
def expected(source, sequence):
    return reference(source, sequence)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Load the embedded weights on either engine."""
    if not (SHIPPED / "model.safetensors").exists():
        pytest.skip("the weights are not there")
    folder = made.write_decoder(SHIPPED, tmp_path_factory.mktemp("shipped"))
    return TextModel(SHIPPED, name="local/text"), hub.load(str(folder))


def tolerance(kind):
    return 0.03 if kind == "half" else 2e-4


def told(model, prompt="the cat", **parameters):
    return list(model.generate(prompt, parameters))


def text_of(chunks):
    return chunks[-1].generated_text


def python(code, **environment):
    """Run code in a fresh interpreter; return what it prints, and on stderr."""
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


# Decoders


def test_every_position_agrees_with_a_double_precision_llama(decoder, kind, sequence, expected):
    """Every kind of graph gives the logits of an independent float64 computation, at every position."""
    logits = decoder.forward(sequence, decoder.cache(40), every=True)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=tolerance(kind))


def test_tokens_read_one_by_one_agree_with_the_whole(decoder, kind, sequence, expected):
    """After a prompt, single tokens through the cache give what reading everything at once gives."""
    cache = decoder.cache(40)
    logits = [decoder.forward(sequence[:7], cache)]
    logits += [decoder.forward(token, cache) for token in sequence[7:]]
    assert cache.length == 40
    np.testing.assert_allclose(logits, expected[6:], atol=tolerance(kind))


def test_a_prompt_is_read_in_blocks(decoders_, sequence, expected, monkeypatch):
    """A prompt that is longer than a block gives the same, with and without all its logits."""
    for kind in ("plain", "in place", "no cache"):
        monkeypatch.setattr(decoders_[kind], "_block", 16)
        logits = decoders_[kind].forward(sequence, decoders_[kind].cache(40), every=True)
        np.testing.assert_allclose(logits, expected, atol=2e-4)
        logits = decoders_[kind].forward(sequence, decoders_[kind].cache(40))
        np.testing.assert_allclose(logits, expected[-1], atol=2e-4)


def test_setting_the_length_back_forgets_what_came_after(decoder, sequence):
    """A cache whose length is set back continues as if the rest had never been read."""
    cache = decoder.cache(40)
    decoder.forward(sequence[:6], cache)
    first = decoder.forward(sequence[6], cache)
    kept = first.copy()
    decoder.forward(sequence[20:23], cache)
    decoder.forward(sequence[23], cache)
    cache.length = 6
    np.testing.assert_array_equal(decoder.forward(sequence[6], cache), kept)
    np.testing.assert_array_equal(first, kept)


def test_only_what_can_work_in_place_does(decoders_):
    """Keys and values stay where they are with onnxruntime's own attention, and with no other graph."""
    assert [kind for kind, decoder in decoders_.items() if decoder._in_place] == ["in place"]


def test_a_cache_in_place_stays_there(decoders_, sequence):
    """A generation writes into the memory that it was given at the start."""
    decoder = decoders_["in place"]
    cache = decoder.cache(30)
    before = {name: value.data_ptr() for name, value in cache.values.items()}
    decoder.forward(sequence[:20], cache)
    decoder.forward(sequence[20], cache)
    assert {name: value.data_ptr() for name, value in cache.values.items()} == before
    assert all(value.numpy()[0, :, :21].any(-1).all() for value in cache.values.values())
    assert not any(value.numpy()[0, :, 21:].any() for value in cache.values.values())


def test_what_the_files_say_of_a_model_is_known(folders, decoders_):
    """Context, vocabulary and all end tokens come from the files, both the configuration's and the generation's."""
    decoder = decoders_["plain"]
    assert (decoder.context, decoder.vocabulary, decoder.ends) == (400, 300, frozenset({2, 10}))
    model = hub.load(str(folders["plain"]), task="text-generation")
    assert model.limits.max_total_tokens == 400
    assert model.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert "[INST]" in model.chat_template


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", "{{ one }}"),
        ("chat_template.json", json.dumps({"chat_template": "{{ one }}"})),
        ("tokenizer_config.json", json.dumps({"chat_template": "{{ one }}"})),
        (
            "tokenizer_config.json",
            json.dumps(
                {"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "{{ one }}"}]}
            ),
        ),
    ],
)
def test_a_chat_template_is_found_wherever_it_is(tmp_path, name, content):
    """The template is read from each of the places that hubs keep it in; none is None."""
    assert templates_of(tmp_path)[0] == {}
    (tmp_path / name).write_text(content)
    assert templates_of(tmp_path)[0]["default"] == "{{ one }}"


def test_logits_agree_with_the_numpy_engine(shipped):
    """The embedded weights give the same logits on onnxruntime as in numpy, to a thousandth."""
    numpy, onnxruntime = (model._model for model in shipped)
    tokens = np.random.default_rng(0).integers(11, 4096, 100).tolist()
    expected = numpy.forward(tokens, numpy.cache(100), every=True)
    np.testing.assert_allclose(onnxruntime.forward(tokens, onnxruntime.cache(100), every=True), expected, atol=1e-3)


@pytest.mark.parametrize("prompt", ["Once upon a time", "[INST] What is a list? [/INST]", "def add(a, b):", "🙂 naïve"])
def test_the_same_greedy_text_as_the_numpy_engine(shipped, prompt):
    """The embedded weights write the same on onnxruntime as in numpy."""
    numpy, onnxruntime = (told(model, prompt, max_new_tokens=60) for model in shipped)
    assert text_of(onnxruntime) == text_of(numpy)
    assert onnxruntime[-1].details.finish_reason == numpy[-1].details.finish_reason


@pytest.mark.parametrize("options", [{}, {"temperature": 0.8, "top_k": 20, "top_p": 0.9}, {"typical_p": 0.6}])
def test_the_same_seed_draws_the_same_as_the_numpy_engine(shipped, options):
    """There is one sampler: what is drawn with a seed does not depend on the engine."""
    numpy, onnxruntime = (
        told(model, "Once upon a time", max_new_tokens=30, do_sample=True, seed=5, **options) for model in shipped
    )
    assert [chunk.token.id for chunk in onnxruntime] == [chunk.token.id for chunk in numpy]


def test_logprobs_agree_with_double_precision(source, folders):
    """The logprob of each token, prompt and answer, is that of a float64 computation to 1e-4."""
    model = hub.load(str(folders["plain"]))
    chunks = told(model, "the cat sat", max_new_tokens=12, decoder_input_details=True)
    details = chunks[-1].details
    ids = [token.id for token in (*details.prefill, *details.tokens)]
    logits = reference(source, ids)
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [logprobs[place, token] for place, token in enumerate(ids[1:])]
    found = [token.logprob for token in (*details.prefill[1:], *details.tokens)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_kind_of_graph_writes_the_same(folders):
    """The greedy text does not depend on how the graph was made."""
    texts = {kind: text_of(told(hub.load(str(folder)), max_new_tokens=20)) for kind, folder in folders.items()}
    texts.pop("half")
    assert len(set(texts.values())) == 1, texts


def test_a_stop_text_ends_a_generation(folders):
    """A stop text is found on this engine as on the other, and ends the text."""
    model = hub.load(str(folders["in place"]))
    whole = text_of(told(model, max_new_tokens=40))
    stop = re.findall("[a-z]{2}", whole)[-1]
    chunks = told(model, max_new_tokens=40, stop=[stop])
    assert chunks[-1].details.finish_reason == "stop_sequence"
    assert text_of(chunks).startswith(whole[: whole.index(stop) + 2])
    assert len(text_of(chunks)) < len(whole)


def test_each_end_token_ends_a_generation(folders, monkeypatch):
    """Both end tokens, that of the configuration and that of generation_config.json, end an answer."""
    model = hub.load(str(folders["plain"]))
    for end in (2, 10):
        logits = np.zeros(300, np.float32)
        logits[end] = 9
        monkeypatch.setattr(model._model, "forward", lambda *_, logits=logits, **__: logits)
        assert told(model, max_new_tokens=5)[-1].details.finish_reason == "eos_token"


@pytest.mark.parametrize("kind", ["plain", "in place", "half"], indirect=False)
def test_same_seed_same_text_on_every_run_and_thread_count(folders, kind):
    """The bits of a text's probabilities do not depend on the run or the number of threads."""
    runs = []
    for threads in (1, 2, 3, 1):
        model = hub.load(str(folders[kind]), threads=threads)
        chunks = told(model, "the cat sat on the mat and " * 6, max_new_tokens=30, do_sample=True, seed=3)
        runs.append([(chunk.token.id, chunk.token.logprob) for chunk in chunks])
    assert runs[1:] == runs[:1] * 3


def test_thread_counts_agree_on_real_weights(tmp_path_factory):
    """The same with matrices that are large enough to be divided among threads."""
    if not (SHIPPED / "model.safetensors").exists():
        pytest.skip("the weights are not there")
    folder = made.write_decoder(SHIPPED, tmp_path_factory.mktemp("threads"), grouped=True)
    runs = []
    for threads in (1, 2, 4):
        decoder = hub.load(str(folder), threads=threads)._model
        cache = decoder.cache(400)
        logits = [
            decoder.forward(list(range(20, 320)), cache),
            *(decoder.forward(token, cache) for token in range(30, 50)),
        ]
        runs.append(np.array(logits))
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@pytest.mark.parametrize("kind", ["plain", "in place", "merged"], indirect=False)
def test_threads_may_share_a_model(folders, kind):
    """Several generations at once give what each gives alone."""
    model = hub.load(str(folders[kind]))
    prompts = ["the cat", "the dog sat", "café", "naïve mat"]
    alone = [text_of(told(model, prompt, max_new_tokens=25)) for prompt in prompts]
    found = {}

    def work(prompt):
        found[prompt] = text_of(told(model, prompt, max_new_tokens=25))

    threads = [threading.Thread(target=work, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[prompt] for prompt in prompts] == alone


def test_best_of_reads_the_prompt_once(folders):
    """Several answers to one prompt start from the same cache, which is set back for each."""
    model = hub.load(str(folders["plain"]))
    alone = [told(model, max_new_tokens=8, do_sample=True, seed=4) for _ in range(2)]
    both = told(model, max_new_tokens=8, do_sample=True, seed=4, best_of=2)
    assert text_of(both) == text_of(alone[0])
    assert both[-1].details.best_of_sequences[0].generated_text == text_of(alone[1])


def test_a_closed_model_says_so(folders):
    """After `close` a generation says that the model is closed; one that is under way ends there."""
    model = hub.load(str(folders["plain"]))
    running = model.generate("the cat", {"max_new_tokens": 20})
    next(running)
    model.close()
    with pytest.raises(InferError, match="has been closed"):
        list(running)
    with pytest.raises(InferError, match="has been closed"):
        told(model, max_new_tokens=2)


MEMORY = """
import gc
from pathlib import Path
from nbinfer.local import hub
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
model = hub.load({folder!r})
list(model.generate("Once", {{"max_new_tokens": 3}}))
model.close()
gc.collect()
before = resident()
model = hub.load({folder!r})
list(model.generate("Once", {{"max_new_tokens": 3}}))
loaded = resident()
model.close()
gc.collect()
print(loaded - before, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_closing_gives_memory_back(tmp_path_factory):
    """The memory of 22 MB of weights is free again after `close`."""
    if not (SHIPPED / "model.safetensors").exists():
        pytest.skip("the weights are not there")
    folder = made.write_decoder(SHIPPED, tmp_path_factory.mktemp("memory"))
    loaded, closed = map(float, python(MEMORY.format(folder=str(folder))).split())
    assert loaded > 20
    assert closed < 0.2 * loaded


# Text as it comes

SENTENCES = ["the cat sat on the mat", "naïve café 🙂 déjà vu", "x = [1, 2]\n\n    return x", "日本語 mixed with words"]


def sentencepiece(path):
    """Write a tokenizer of Llama 2's kind: SentencePiece's BPE with bytes for what it does not have."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    tokens += sorted(set("the cat sat on mat word return".replace(" ", "")) | {"é"})
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("a", "t"), ("c", "at"), ("▁", "cat"), ("▁", "▁")]
    tokens += [left + right for left, right in merges]
    model = models.BPE(
        {token: place for place, token in enumerate(tokens)},
        merges,
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strip = decoders.Strip(content=" ", left=1, right=0)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(path))


def metaspace(path):
    """Write a tokenizer of T5's and XLM-RoBERTa's kind, which adds no begin token."""
    tokenizer = Tokenizer(
        models.Unigram(
            [
                ("<unk>", 0.0),
                *((token, -2.0 - place) for place, token in enumerate(["▁the", "▁", *"thecasonmrduwé日"])),
            ],
            0,
        )
    )
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.save(str(path))


def bytelevel(path):
    """Write a tokenizer of GPT-2's kind without a begin token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_tokens(["<tool>", "日本"])
    tokenizer.save(str(path))


TOKENIZERS = {
    "sentencepiece": sentencepiece,
    "metaspace": metaspace,
    "bytelevel": bytelevel,
    "wordpiece": made.write_wordpiece,
}


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    for name, write in TOKENIZERS.items():
        write(folder / f"{name}.json")
    return {
        name: (Vocabulary(folder / f"{name}.json"), Tokenizer.from_file(str(folder / f"{name}.json")))
        for name in TOKENIZERS
    }


def streamed(vocabulary, tokens):
    """Return the texts of tokens, those of control tokens left out, joined."""
    decoder = vocabulary.decoder()
    texts = [decoder.add(token) for token in tokens]
    return (
        "".join(text for text, token in zip(texts, tokens, strict=True) if not vocabulary.special(token))
        + decoder.end()
    )


def whole_characters(tokenizer, tokens):
    """Say whether each run of byte tokens is UTF-8: elsewhere tokenizers marks whole characters as broken too."""
    run = bytearray()
    for token in [*tokens, None]:
        text = None if token is None else tokenizer.id_to_token(token)
        if text and text.startswith("<0x"):
            run.append(int(text[3:5], 16))
            continue
        if text in {"<s>", "</s>", "<unk>"}:
            continue
        try:
            run.decode()
        except UnicodeDecodeError:
            return False
        run.clear()
    return True


@pytest.mark.parametrize("name", TOKENIZERS)
@given(numbers=st.lists(st.integers(0, 10**6), max_size=12))
@settings(max_examples=150)
def test_pieces_joined_are_the_whole(vocabularies, name, numbers):
    """Any tokens, streamed one by one and joined, are what tokenizers makes of them together."""
    vocabulary, tokenizer = vocabularies[name]
    tokens = [number % tokenizer.get_vocab_size() for number in numbers]
    if whole_characters(tokenizer, tokens):
        assert streamed(vocabulary, tokens) == tokenizer.decode(tokens)


@pytest.mark.parametrize("name", ["sentencepiece", "bytelevel"])
@given(text=st.text(max_size=20))
def test_a_text_survives_the_way_there_and_back(vocabularies, name, text):
    """Where a tokenizer has all bytes, a text that spells no control token is whole after encoding and streaming."""
    vocabulary, tokenizer = vocabularies[name]
    assume(not any(added.content in text for added in tokenizer.get_added_tokens_decoder().values() if added.special))
    assert streamed(vocabulary, vocabulary.encode(text)) == text


def test_a_character_comes_with_its_last_byte(vocabularies):
    """A character of several byte tokens is held until it is whole, then it does not wait for the next."""
    vocabulary, tokenizer = vocabularies["sentencepiece"]
    decoder = vocabulary.decoder(first=False)
    pieces = [decoder.add(tokenizer.token_to_id(f"<0x{byte:02X}>")) for byte in "é日".encode()]
    assert pieces == ["", "é", "", "", "日"]


def test_what_continues_a_text_keeps_its_space(vocabularies):
    """The first generated word is not glued to the prompt."""
    vocabulary, tokenizer = vocabularies["sentencepiece"]
    token = tokenizer.token_to_id("▁the")
    assert vocabulary.decoder().add(token) == "the"
    assert vocabulary.decoder(first=False).add(token) == vocabulary.text(token) == " the"


class Parrot:
    """An engine that says one token for ever."""

    context, vocabulary, ends = 50, 300, frozenset[int]()

    def __init__(self, token):
        self.logits = np.zeros(self.vocabulary, np.float32)
        self.logits[token] = 9

    def cache(self, capacity):
        """Keep nothing."""
        return types.SimpleNamespace(length=0)

    def forward(self, tokens, cache, *, every=False):
        """Say the token."""
        return self.logits

    def close(self):
        """Do nothing."""


def test_an_answer_keeps_its_first_space(vocabularies, tmp_path):
    """What a model with SentencePiece's tokens generates is not glued to the prompt, in the stream and as a whole."""
    sentencepiece(tmp_path / "tokenizer.json")
    engine = Parrot(vocabularies["sentencepiece"][1].token_to_id("▁cat"))
    chunks = told(TextModel(tmp_path, name="parrot", engine=engine), "the", max_new_tokens=3)
    assert [chunk.token.text for chunk in chunks] == [" cat"] * 3
    assert text_of(chunks) == " cat cat cat"


def test_a_chat_template_brings_its_own_begin_token(vocabularies):
    """A prompt that begins with the begin token is read with one, as one without it is."""
    vocabulary = vocabularies["sentencepiece"][0]
    assert vocabulary.encode("<s>the cat") == vocabulary.encode("the cat")
    assert vocabulary.encode("<s>") == [1]


def test_the_begin_token_is_added_as_the_tokenizer_says(vocabularies):
    """A tokenizer that begins texts with a token does, another does not; a row without a token is no text."""
    assert vocabularies["sentencepiece"][0].encode("the")[0] == 1
    assert vocabularies["metaspace"][0].encode("the") == [1]
    assert vocabularies["bytelevel"][0].text(10**5) == ""


# Encoders


@pytest.fixture
def encoder(tmp_path):
    return made.write_encoder(tmp_path / "encoder", "BertModel")


def ids_of(folder, *texts, most=made.LONGEST):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    encoding = tokenizer.encode(*texts)
    return encoding.ids, encoding.type_ids


POOLINGS = {
    "mean_tokens": lambda h: h.mean(0),
    "cls_token": lambda h: h[0],
    "max_tokens": lambda h: h.max(0),
    "mean_sqrt_len_tokens": lambda h: h.sum(0) / len(h) ** 0.5,
    "weightedmean_tokens": lambda h: (h * np.arange(1, len(h) + 1)[:, None]).sum(0) / np.arange(1, len(h) + 1).sum(),
    "lasttoken": lambda h: h[-1],
}


@pytest.mark.parametrize("mode", POOLINGS)
def test_pooling_is_what_the_files_say(encoder, mode):
    """Each of sentence-transformers' poolings agrees with double precision, whatever the batch looks like."""
    made.write_pooling(encoder, mode, normalize=True)
    model = hub.load(str(encoder), task="text-embedding")
    expected = np.array([POOLINGS[mode](made.hidden_states(ids_of(encoder, text)[0])) for text in TEXTS])
    np.testing.assert_allclose(model.embed(TEXTS, normalize=False), expected, atol=1e-5)
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = model.embed(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, unit, atol=1e-6)


def test_without_modules_the_mean_is_taken(encoder):
    """A repository with nothing but the graph gets what most of them mean: the mean over tokens."""
    model = hub.load(str(encoder))
    expected = made.hidden_states(ids_of(encoder, TEXTS[0])[0]).mean(0)
    np.testing.assert_allclose(model.embed(TEXTS[:1], normalize=False)[0], expected, atol=1e-5)


def test_a_graph_that_pools_is_left_alone(tmp_path):
    """An output called sentence_embedding is the vector."""
    folder = made.write_encoder(tmp_path / "pooled", "BertModel", output="sentence_embedding")
    expected = made.hidden_states(ids_of(folder, TEXTS[0])[0])[0]
    np.testing.assert_allclose(hub.load(str(folder)).embed(TEXTS[:1], normalize=False)[0], expected, atol=1e-5)


def test_token_embeddings_are_hidden_states(tmp_path):
    """Optimum calls the hidden states of a sentence encoder token_embeddings."""
    folder = made.write_encoder(tmp_path / "tokens", "BertModel", output="token_embeddings")
    assert hub.load(str(folder)).embed(TEXTS).shape == (5, made.HIDDEN)


def test_many_texts_in_batches_are_as_each_alone(encoder, monkeypatch):
    """Sorting, padding and cutting into batches changes nothing and keeps the order."""
    monkeypatch.setattr(onnx.Embedder, "together", 30)
    model = hub.load(str(encoder))
    texts = [" ".join(TEXTS[: number % 5]) for number in range(23)]
    alone = np.concatenate([model.embed([text]) for text in texts])
    np.testing.assert_allclose(model.embed(texts), alone, atol=1e-6)
    assert model.embed([]).shape == (0, made.HIDDEN)


def test_neighbours_do_not_change_a_vector(encoder):
    """Where 8-bit activations are scaled by what is read together, texts are read one by one."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    graph = encoder / "onnx" / "model.onnx"
    quantization.quantize_dynamic(graph, encoder / "onnx" / "model_quantized.onnx")
    model = hub.load(f"{encoder}:quantized")
    assert model._graph.path.name == "model_quantized.onnx"
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    np.testing.assert_array_equal(model.embed(TEXTS), alone)
    assert (alone * hub.load(str(encoder)).embed(TEXTS)).sum(1).min() > 0.95


def test_a_long_text_is_cut_and_counted_whole(encoder):
    """Only the first tokens are read, as many as the files say; the count says how many there are."""
    made.write_json(encoder / "sentence_bert_config.json", {"max_seq_length": 10, "do_lower_case": False})
    model = hub.load(str(encoder))
    text = "the cat sat on a mat " * 50
    assert model.context == 10
    assert model.count(text) == 302
    assert model.count("cat") == 3
    expected = made.hidden_states(ids_of(encoder, text, most=10)[0]).mean(0)
    np.testing.assert_allclose(model.embed([text], normalize=False)[0], expected, atol=1e-5)


def test_prompts_are_those_of_the_files(encoder):
    """A prompt goes in front of the text; the default one is used unasked; an unknown one is refused."""
    prompts = {"query": "query: ", "dog": "a dog "}
    made.write_json(encoder / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": "dog"})
    model = hub.load(str(encoder))
    by_hand = made.hidden_states(ids_of(encoder, "a dog cat")[0]).mean(0)
    np.testing.assert_allclose(model.embed(["cat"], normalize=False)[0], by_hand, atol=1e-5)
    by_hand = made.hidden_states(ids_of(encoder, "query: cat")[0]).mean(0)
    np.testing.assert_allclose(model.embed(["cat"], prompt_name="query", normalize=False)[0], by_hand, atol=1e-5)
    with pytest.raises(ParameterError) as refused:
        model.embed(["cat"], prompt_name="quary")
    assert "query" in refused.value.hint


def test_e5_knows_its_prompts(encoder):
    """E5's files do not say what it was trained to read; its name does."""
    e5 = encoder.rename(encoder.parent / "multilingual-e5-small")
    model = hub.load(str(e5))
    assert model.prompts["passage"] == "passage: "
    by_hand = made.hidden_states(ids_of(e5, "query: cat")[0]).mean(0)
    np.testing.assert_allclose(model.embed(["cat"], prompt_name="query", normalize=False)[0], by_hand, atol=1e-5)
    assert hub.load(str(e5.rename(e5.parent / "base5"))).prompts == {}


def test_splade_weighs_tokens(tmp_path):
    """Weights are the maximum over tokens of log(1 + relu(logit)), without control tokens, the largest first."""
    folder = made.write_encoder(tmp_path / "splade", "BertForMaskedLM")
    model = hub.load(str(folder), task="sparse-embedding")
    found = model.weigh(TEXTS)
    for text, weights in zip(TEXTS, found, strict=True):
        hidden = made.hidden_states(ids_of(folder, text)[0])
        expected = np.log1p(np.maximum(hidden @ made.encoder_weights()["words"].astype(float).T, 0)).max(0)
        assert list(weights.values()) == sorted(weights.values(), reverse=True)
        assert set(weights) == {made.PIECES[n] for n in np.flatnonzero(expected > 0) if n >= len(made.SPECIALS)}
        np.testing.assert_allclose(
            [weights[token] for token in weights], [expected[made.PIECES.index(token)] for token in weights], atol=1e-5
        )
    assert model.weigh([]) == []


@pytest.mark.parametrize("classes", ["one", "two"])
def test_a_cross_encoder_scores_pairs(tmp_path, classes):
    """A score is the sigmoid of one logit, or of two the probability of the second; types tell query from text."""
    folder = made.write_encoder(tmp_path / "cross", "BertForSequenceClassification", classes=classes)
    model = hub.load(str(folder), task="rerank")
    scores = model.score("red bird?", TEXTS)
    weights = made.encoder_weights()[classes].astype(float)
    for text, score in zip(TEXTS, scores, strict=True):
        logits = weights @ made.hidden_states(*ids_of(folder, "red bird?", text))[0]
        expected = 1 / (1 + np.exp(-logits[0])) if classes == "one" else np.exp(logits[1]) / np.exp(logits).sum()
        assert score == pytest.approx(expected, abs=1e-5)
    assert model.score("red bird?", []).shape == (0,)


def test_encoders_do_not_depend_on_threads(tmp_path):
    """Vectors, weights and scores are the same bits with one thread and with three, and when threads share a model."""
    folder = made.write_encoder(tmp_path / "model", "BertModel")
    models = [hub.load(str(folder), threads=threads) for threads in (1, 3)]
    expected = models[0].embed(TEXTS)
    np.testing.assert_array_equal(models[1].embed(TEXTS), expected)
    found = []
    threads = [threading.Thread(target=lambda: found.append(models[1].embed(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(vectors, expected) for vectors in found)


def test_a_closed_encoder_says_so(encoder):
    """After `close` nothing is computed any more."""
    model = hub.load(str(encoder))
    model.close()
    with pytest.raises(InferError, match="has been closed"):
        model.embed(["cat"])


# Which file, which task


def test_small_and_fast_graphs_come_first():
    """8 bits before 4, those before 32, 16 last; a folder `onnx/` before the top; a variant that is named is taken."""
    paths = {"config.json", "tokenizer.json", "onnx/model.onnx", "model.onnx", "onnx/model_fp16.onnx"}
    assert hub.pick(paths, name="m") == "onnx/model.onnx"
    assert hub.pick(paths - {"onnx/model.onnx", "model.onnx"}, name="m") == "onnx/model_fp16.onnx"
    paths |= {"onnx/model_q4.onnx"}
    assert hub.pick(paths, name="m") == "onnx/model_q4.onnx"
    paths |= {"onnx/model_int8.onnx", "onnx/model_quantized.onnx"}
    assert hub.pick(paths, name="m") == "onnx/model_quantized.onnx"
    assert hub.pick(paths, "fp16", name="m") == "onnx/model_fp16.onnx"
    assert hub.pick(paths, "", name="m") == "onnx/model.onnx"
    assert hub.pick(paths, name="m", exact=True) == "onnx/model.onnx"
    assert hub.pick(paths - {"onnx/model.onnx", "model.onnx"}, name="m", exact=True) == "onnx/model_fp16.onnx"
    assert hub.pick(paths | {"decoder_model_merged_quantized.onnx"} - {"onnx/model_quantized.onnx"}, name="m") in paths
    with pytest.raises(ModelNotFoundError, match="variant bnb4"):
        hub.pick(paths, "bnb4", name="m")


def test_a_variant_may_follow_the_name(folders):
    """`folder:fp32` is the graph without a suffix; one that is not there is refused with those that are."""
    assert hub.find(f"{folders['plain']}:fp32").graph.name == "model.onnx"
    with pytest.raises(ModelNotFoundError) as refused:
        hub.find(f"{folders['plain']}:q4")
    assert "onnx/model.onnx" in refused.value.hint


def test_a_model_of_another_task_is_refused(encoder, folders):
    """The error names what the model is for and what was asked for."""
    with pytest.raises(UnsupportedTaskError, match="for text-embedding, not for text-generation"):
        hub.load(str(encoder), task="text-generation")
    with pytest.raises(UnsupportedTaskError, match="for text-generation, not for rerank"):
        hub.load(str(folders["plain"]), task="rerank")


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("LlamaForCausalLM", "text-generation"),
        ("GPT2LMHeadModel", "text-generation"),
        ("BertModel", "text-embedding"),
        ("BertForMaskedLM", "sparse-embedding"),
        ("XLMRobertaForSequenceClassification", "rerank"),
        ("BertForTokenClassification", None),
        ("", None),
    ],
)
def test_the_task_is_learnt_from_the_architecture(tmp_path, architecture, task):
    """Without opening the graph, the configuration says what a model does."""
    made.write_json(tmp_path / "config.json", {"architectures": [architecture]})
    files = hub.ModelFiles(name="m", folder=tmp_path, graph=tmp_path / "model.onnx")
    if task:
        assert hub.task_of(files) == task
    else:
        with pytest.raises(UnsupportedTaskError, match="m is "):
            hub.task_of(files)


def test_what_a_graph_returns_decides(tmp_path):
    """A masked language model whose graph returns hidden states is an encoder of sentences."""
    folder = made.write_encoder(tmp_path / "jina", "BertModel")
    config = json.loads((folder / "config.json").read_text())
    made.write_json(folder / "config.json", config | {"architectures": ["JinaBertForMaskedLM"]})
    assert isinstance(hub.load(str(folder)), onnx.Embedder)


# What is wrong with a folder


def shown(error):
    lines = error.value.lines()
    assert 1 <= len(lines) <= 4
    return "\n".join(lines)


@pytest.fixture
def broken(folders, tmp_path):
    return Path(shutil.copytree(folders["outside"], tmp_path / "broken"))


def test_a_folder_that_is_not_there(tmp_path):
    """A path that leads nowhere or to a file is named, and the hub is not asked for it."""
    with pytest.raises(ModelNotFoundError) as refused:
        hub.load(str(tmp_path / "nothing"))
    assert "nothing is not there" in shown(refused)
    (tmp_path / "model.onnx").touch()
    with pytest.raises(ModelNotFoundError, match="is a file"):
        hub.load(str(tmp_path / "model.onnx"))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.onnx"])
def test_a_folder_that_lacks_a_file(broken, name):
    """The missing file is named, with what to do."""
    (broken / name).unlink()
    with pytest.raises(ModelNotFoundError) as refused:
        hub.load(str(broken))
    assert name in shown(refused)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.onnx", "model.onnx_data"])
def test_a_file_that_was_cut_short(broken, name):
    """A half-downloaded file is named, and that it is to be deleted and fetched again."""
    data = (broken / name).read_bytes()
    (broken / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InferError) as refused:
        hub.load(str(broken))
    assert "damaged" in shown(refused)
    assert "fetch the model again" in shown(refused)
    assert str(broken / name) in shown(refused)


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"<html>not found</html>", os.urandom(2000)])
def test_a_file_that_is_no_graph(broken, content):
    """Whatever stands in the graph's place, the error is ours and says what to do."""
    (broken / "model.onnx").write_bytes(content)
    with pytest.raises(InferError) as refused:
        hub.load(str(broken))
    assert "fetch the model again" in shown(refused)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_a_file_that_holds_something_else(broken, name):
    """JSON of another kind is as good as damaged."""
    (broken / name).write_text("[1]")
    with pytest.raises(InferError, match=name) as refused:
        hub.load(str(broken))
    assert "damaged" in shown(refused)


def test_weights_that_are_missing(broken):
    """A graph whose weights are not beside it is refused with what to do."""
    (broken / "model.onnx_data").unlink()
    with pytest.raises(InferError) as refused:
        hub.load(str(broken))
    assert "model.onnx_data" in shown(refused)


def test_an_encoder_with_a_decoder_is_refused(broken):
    """T5 and its like are named for what they are."""
    (broken / "onnx").mkdir()
    (broken / "onnx" / "encoder_model.onnx").touch()
    with pytest.raises(UnsupportedTaskError, match="encoder with a decoder"):
        hub.load(str(broken))


def test_a_classifier_of_texts_is_no_ranker(tmp_path):
    """Three classes are moods or topics; no ranking is made of them."""
    folder = made.write_encoder(tmp_path / "moods", "BertForSequenceClassification", classes="three")
    with pytest.raises(UnsupportedTaskError, match="3 classes"):
        hub.load(str(folder), task="rerank")


def test_an_operator_that_nobody_knows(tmp_path, encoder):
    """A graph with an unknown operator says so."""
    nodes = made.Nodes()
    nodes("Nonsense", "input_ids", outputs=["last_hidden_state"], domain="com.microsoft")
    row = made.helper.make_tensor_value_info
    nodes.save(
        encoder / "onnx" / "model.onnx",
        [row("input_ids", made.INTEGER, ["a", "b"])],
        [row("last_hidden_state", made.FLOAT, None)],
    )
    with pytest.raises(InferError) as refused:
        hub.load(str(encoder))
    assert "Nonsense" in shown(refused)


def test_an_input_that_nobody_can_fill(encoder):
    """A graph that also wants a picture says which input that is."""
    nodes = made.Nodes()
    nodes("Identity", "pixel_values", outputs=["last_hidden_state"])
    row = made.helper.make_tensor_value_info
    inputs = [row("input_ids", made.INTEGER, ["a", "b"]), row("pixel_values", made.FLOAT, [1, 3])]
    nodes.save(encoder / "onnx" / "model.onnx", inputs, [row("last_hidden_state", made.FLOAT, [1, 3])])
    with pytest.raises(UnsupportedTaskError, match="pixel_values"):
        hub.load(str(encoder))


def test_a_text_that_is_no_unicode(encoder):
    """Half a surrogate pair is refused like a parameter."""
    with pytest.raises(ParameterError, match="tokenizer error"):
        hub.load(str(encoder)).embed(["\ud800"])


def test_without_onnxruntime_the_extra_is_named(folders, monkeypatch):
    """Where onnxruntime is not installed, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as refused:
        hub.load(str(folders["plain"]))
    assert "pip install 'nbinfer[onnx]'" in shown(refused)


QUIET = """
import os, sys
dialled = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
sys.addaudithook(lambda event, args: dialled.append(event) if event in watched else None)
from nbinfer.local import hub
assert "onnxruntime" not in sys.modules
model = hub.load({folder!r})
list(model.generate("the cat", {{"max_new_tokens": 5}}))
model.close()
print("dialled:", *dialled)
"""


def test_nothing_is_written_or_dialled(folders, tmp_path):
    """Loading and running a model leaves no file behind and asks nobody, even where CI is not set."""
    names = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "TMPDIR", "HF_HOME")
    printed = python(QUIET.format(folder=str(folders["plain"])), **dict.fromkeys(names, str(tmp_path)))
    assert printed == "dialled:"
    assert list(tmp_path.rglob("*")) == []


def test_who_wants_telemetry_keeps_it(monkeypatch):
    """A variable that the user has set is left as it is."""
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    onnx.runtime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_the_number_of_threads_is_that_of_the_cores():
    """As many threads as this process may have cores, at least one."""
    assert 1 <= onnx.cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("quota", "count"), [("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1), ("", 4)])
def test_a_container_gets_its_share(monkeypatch, quota, count):
    """Two threads of a core count once, and no more cores are used than the container may have."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    texts = {f"cpu{cpu}": f"{cpu // 2}-{cpu // 2 + 4}" for cpu in range(8)}
    monkeypatch.setattr(onnx, "_text", lambda path, _: quota if path.name == "cpu.max" else texts[path.parts[-3]])
    assert onnx.cores() == count


def test_the_numpy_engine_fits_the_same_interface(source):
    """Both engines have what a text model asks of one."""
    numpy = Llama(source)
    assert {"context", "vocabulary", "ends", "cache", "forward", "close"} <= set(dir(numpy))
