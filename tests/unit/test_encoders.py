"""The embedded encoders: vectors, weighted terms and scores from one table of token vectors."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import threading
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

import nbinfer.local
from nbinfer.errors import ParameterError
from nbinfer.local import encoders
from nbinfer.local.encoders import BLOCK, Embedder, Reranker, SparseEncoder
from training.retrieval import evaluate

FOLDER = Path(nbinfer.local.__file__).parent / "weights" / "embed"
FILES = ("model.safetensors", "tokenizer.json", "config.json", "LICENSE")
KINDS = (Embedder, SparseEncoder, Reranker)
PAIRS = evaluate.pairs(evaluate.HERE / "pairs.jsonl")
DIMENSIONS = 256

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SOME = (
    "",
    "Moon",
    "the moon and the sea",
    "photosynthesis in 3 steps!",
    "东京 Москва 🙂",
    "a" * 200,
    "!!! ...",
    "\x00",
)

# What model2vec's encode makes of its own unrounded table: components times 127 / the largest, as signed bytes.
REFERENCE = {
    "The quick brown fox jumps over the lazy dog.": (
        "`_3%39W>|!u}#1k?LcJ!_LlwzB{2~R&kOn=#MJ458S}-lD&N&Y)BG+L9w7)S<=qV^CfQ3A3@+X56Zrw@3e@c_%-8oL$NK*mFB;<c"
        "(JT}$@8BLC%p=D6)<+`P<pAF3_!RNp6Y2I9CC=~~<L>%2>k1j(9_ux^?8)lT{|@f(_)^>(9Vim~<4N=S=;tT($@~=Z00{XP0MIb;"
        "DE=M;{u3V55cdf7Ar1fV5Ax~kA?O4Y{v7@O@DUgj83F_v1_<um3ppkS3<3@B9S-*h11&J=4F??k4D}lL5%ur{-Ubfs`3&p{+6@U8"
        "{O%3@2pARs`TrUL5d!_~"
    ),
    "Photosynthesis turns light into sugar.": (
        "AI*~e?srVE1Hj)QC_xs}GcH08N&O<p?t$&-IZy$^9u0NT@Euex0}B-N@aGfx!W8?&EYBAM#{dZmK!L;J4#gPZA-W(R7ZUgb1|Rp<"
        "DizAzA<!A|5B>b>>Kz!&&Ga1I^dDIG&I;T+6A}FeCLHYo8RRV&_tOyz8VBw7+V?#0|K;fTCmH)68{Q84>k1wv0}<gN9`5AM^ep=A"
        "8Y%Di2Il?T!wLQN*3{eH8R+KY<T?2r&>9%*9Q+2%4Dk2|9uM;oCh*}85cc)z_xlM51pWaF6$S6|5BnV!7ZeK{;VkJJKKT+A2MgZ&"
        "`0Dui2M96#0qXwZ84Ty&"
    ),
    "moon": (
        "EEo?W6DEK4O5yV!;1Vj+3Jwrb<`on^4if(w4kP;u4Xs2G-Ypj#2OtmU!YnrVn&I^xMG6HIzXK>HPS_*;0=fG2=pD)>`^*Hz{R|ch"
        "{|+NM0QU|7#rMhA)+y5ABMJ=X`4m6(`vA?&8SFy>^40ts2^$9b4eAi+9{)w*;P&U>`wZ#G89xL2;{W{aG4AU$<SOL}+SvK)8YBMY"
        "{yX&UI5iIc1QGE5(gpU@0|^xq^4RSO6%F9o86Xn!74GQY9t;E!<ro42_U1I}*d5;z=Oyyy((&Eu@EIZm8~pnD4c-3!`5zMc5()+b"
        "0|XfV1ojQ@8xr;&`5OQ9"
    ),
    "def add(a, b): return a + b": (
        "x{ZGl)9Mu43gr1Z#KPIj+9??aCC~sI3KHlS?EM1W^5HfTARYVH0@N@m03q1X>iX9t9U~_R&DhZ32M_k;D@fco%{&l31I$1%0S)k^"
        "7wPv6%_z+K!twJQ5jZCe53Bbg%Nz78AKK8~Cm6N<+WF%D^Zxo9Mb60#^%2iA`t=_j?(V?^@Yg8a3GpZe<m&YD`vlbO3>32%`05Vl"
        "ybK4_Dj(MkDC;2xANcGO1@a%-=m;PlA=|+c?=3?R4aM{U9X2b|`27+Bxhdy26G;dg8PM+b7YpDT?4KX~=I%u+A^<2+-3P+{><{!R"
        "6Ab|#3g`qM@#Zhx0W16^"
    ),
    "Café Müller, 25 °C: naïve!": (
        "8AC@Sq`*S($*X}m+^-No)GEu{H4FCh4#@5M<Okri4;d;h^vOQ^=rimY1mpwY-lgl&DB<xA67(eW2mJ`|?LzTBA;m5L8Wbf9^AQLJ"
        "<N@pX|N8*~<`eii5%|O^BMjUV`TYMB4C(>v7Xa(@85;u%`ztyq*xC^S3-<QwK=uds0~Ol;5d8G(78nul1r80})&J=6;{^)p{v8MH"
        ">+1(M0{<}x+!zk?3FZzF3I`kF;|&2U7W4@R>gV$fFaY}n1OxaU1rien-P-mK2ME*b=Mee~_zVRQ3IX@+`vDF2_X`&U6b}Ia4EP7^"
        ">h%5h^Yirb@%$MC0s|QW"
    ),
}


@cache
def model(kind):
    return kind(FOLDER, name=kind.__name__)


@cache
def ranks(search):
    return PAIRS.ranks(PAIRS.search(evaluate.searches()[search]))


def figures(search):
    """Return recall@1, recall@10 and MRR@10 on questions and paraphrases together."""
    return evaluate.figures(ranks(search))


def answer(kind, text):
    """Return what a kind makes of one text, as numbers."""
    if kind is Embedder:
        return model(kind).embed([text])
    if kind is SparseEncoder:
        return np.array(list(model(kind).weigh([text])[0].values()))
    return np.concatenate([model(kind).score("the moon", [text]), model(kind).score(text, ["the moon"])])


def shuffled(folder):
    """Copy the weights with the rows of the table in another order, scales with them."""
    shutil.copytree(FOLDER, folder)
    stored = load_file(folder / "model.safetensors")
    order = np.random.default_rng(5).permutation(len(stored["embeddings"]))
    stored |= {name: stored[name][order] for name in ("embeddings", "embeddings.scale")}
    save_file(stored, folder / "model.safetensors")
    return folder


# Files


def test_the_files_are_small():
    """What the encoders read, with its licence, is at most 8 MB."""
    assert sum((FOLDER / name).stat().st_size for name in FILES) <= 8_000_000


def test_the_licence_of_the_source_is_there():
    """The Apache licence is given with the weights, and says from what and how they were made."""
    text = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2" in text
    assert "Changed by" in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text


def test_the_configuration_says_what_the_table_is():
    """The numbers of config.json are those of the table."""
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    assert load_file(FOLDER / "model.safetensors")["embeddings"].shape == (config["vocab_size"], config["hidden_size"])
    assert config["hidden_size"] == model(Embedder).dimensions == DIMENSIONS


def test_the_card_has_the_figures_that_are_measured():
    """Each row of the card's table is what the shipped weights give."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| (\w+) \| ([\w, ]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", card)
    written = {(kind, search): tuple(map(float, values)) for kind, search, *values in rows}
    half = len(PAIRS.questions)
    for kind, part in {"questions": slice(half), "paraphrases": slice(half, None), "both": slice(None)}.items():
        for search in evaluate.searches():
            assert written[kind, search] == pytest.approx(evaluate.figures(ranks(search)[part]), abs=0.003)


def test_nothing_heavy_is_imported():
    """numpy, tokenizers and safetensors are enough."""
    heavy = ("torch", "transformers", "model2vec", "onnxruntime", "scipy", "sklearn", "pandas", "IPython", "httpx")
    code = f"import sys, nbinfer.local.encoders; print(*(name for name in {heavy} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == []


# All three


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["\ud800", "half of \udc00 a pair"])
def test_a_lone_surrogate_is_an_error_that_says_so(kind, text):
    """What is no Unicode text is refused with a ParameterError, wherever it stands."""
    with pytest.raises(ParameterError, match=r"tokenizer error .*surrogates not allowed"):
        answer(kind, text)


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
@example(text="\x00")
@example(text="  \n ")
@example(text="a" * 5000)
def test_any_text_has_a_finite_answer(kind, text):
    """Whatever Unicode text comes in, no number is infinite or undefined."""
    assert np.isfinite(answer(kind, text)).all()


def test_threads_share_an_encoder():
    """Calls that run at the same time get what they get alone."""
    fresh = SparseEncoder(FOLDER, name="fresh")
    expected = [model(SparseEncoder).weigh([text])[0].keys() for text in PAIRS.questions[:40]]
    found = {}

    def work(part):
        for place in range(part, 40, 4):
            found[place] = fresh.weigh([PAIRS.questions[place]])[0].keys()

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in range(40)] == expected


def test_encoders_of_a_folder_share_its_table():
    """The three together hold the weights once."""
    assert model(Embedder)._table is model(SparseEncoder)._table is model(Reranker)._table


def test_a_table_is_forgotten_with_its_last_encoder(tmp_path):
    """Memory comes back when no encoder of a folder is left."""
    folder = shuffled(tmp_path / "copy")
    embedder = Embedder(folder, name="copy")
    assert folder.resolve() in encoders._TABLES
    del embedder
    assert folder.resolve() not in encoders._TABLES


# Embedder


def test_vectors_agree_with_model2vec():
    """Rounded to 8 bits, vectors point where those of model2vec's own `encode` with the unrounded table do."""
    for text, stored in REFERENCE.items():
        expected = np.frombuffer(base64.b85decode(stored), np.int8).astype(np.float32)
        cosine = model(Embedder).embed([text])[0] @ expected / np.linalg.norm(expected)
        assert cosine >= 0.99
    assert len(REFERENCE) >= 4


def test_a_vector_is_the_mean_of_its_pieces():
    """Without normalisation a vector is the mean of the rows of the table, pieces nobody knows left out."""
    stored = load_file(FOLDER / "model.safetensors")
    pieces = Tokenizer.from_file(str(FOLDER / "tokenizer.json")).encode("Moonlit nights 🙂").ids
    assert 0 in pieces
    table = stored["embeddings"] * stored["embeddings.scale"].astype(np.float32)[:, None]
    expected = table[[piece for piece in pieces if piece]].mean(0)
    found = model(Embedder).embed(["Moonlit nights 🙂"], normalize=False)
    assert found == pytest.approx(expected[None], abs=1e-6)


def test_the_shape_is_texts_by_dimensions():
    """There is a float32 row for each text, also for none."""
    for texts in ([], ["one"], ("one", "two")):
        found = model(Embedder).embed(texts)
        assert found.shape == (len(texts), DIMENSIONS)
        assert found.dtype == np.float32


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("text", ["", "  ", "🙂🙂"])
def test_a_text_without_a_known_piece_is_a_row_of_zeros(text, normalize):
    """Nothing to read gives zeros, which are near nothing, and no division by zero."""
    found = model(Embedder).embed([text, "moon"], normalize=normalize)
    assert not found[0].any()
    assert found[1].any()


@given(text=TEXTS)
def test_vectors_have_length_one(text):
    """A vector has the length 1, or 0 where nothing could be read."""
    length = np.linalg.norm(model(Embedder).embed([text])[0])
    assert length == pytest.approx(1, abs=1e-5) or (length == 0 and model(Embedder).count(text) == 0)


@given(texts=st.lists(TEXTS | st.sampled_from(SOME), max_size=8), seed=st.integers(0, 100))
def test_a_vector_does_not_hang_on_its_batch(texts, seed):
    """A text has the same vector alone, among others, and in any order."""
    together = model(Embedder).embed(texts)
    alone = [model(Embedder).embed([text])[0] for text in texts]
    assert np.array_equal(together, np.array(alone).reshape(together.shape))
    order = np.random.default_rng(seed).permutation(len(texts))
    assert np.array_equal(model(Embedder).embed([texts[place] for place in order]), together[order])


def test_many_texts_and_blocks_keep_their_order():
    """More texts than fit into one block, some long, some empty, stay in their places."""
    texts = [*SOME, "long words " * 3000, *PAIRS.paragraphs, "moon " * (BLOCK + 1), "", *PAIRS.questions]
    found = model(Embedder).embed(texts)
    for place in (0, 2, 8, 9, 200, 380, 381, 382, len(texts) - 1):
        assert np.array_equal(found[place], model(Embedder).embed([texts[place]])[0])


def test_no_text_is_cut_off():
    """The end of a long text counts as much as its beginning."""
    short, long = "the sea at night. a red boat. ", "the sea at night. a red boat. " * 5000
    found = model(Embedder).embed([short, long, long + "moon " * 40_000])
    assert model(Embedder).count(long) > BLOCK
    assert found[0] @ found[1] == pytest.approx(1, abs=1e-4)
    assert found[0] @ found[2] < 0.95


def test_memory_does_not_grow_with_the_number_of_texts():
    """A call holds its result and one block of vectors, not those of all pieces."""
    texts = PAIRS.paragraphs[:300] * 20
    model(Embedder).embed(texts[:300])
    tracemalloc.start()
    result = model(Embedder).embed(texts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    every = sum(map(model(Embedder).count, texts[:300])) * 20 * DIMENSIONS * 4
    assert peak - 3 * result.nbytes < 60 * 2**20 < every / 4


def test_pieces_are_counted():
    """The count is that of the pieces that are read, punctuation included, control tokens not."""
    assert model(Embedder).count("") == 0
    assert model(Embedder).count("The moon!") == 3
    assert model(Embedder).count("🙂") == 0


# Sparse encoder


def test_terms_are_readable_words():
    """A word of several pieces is one term, in lower case; neither pieces nor punctuation are terms."""
    weights = model(SparseEncoder).weigh(["Photosynthesis: why do plants' leaves need Kilauea's light, at 25 °C?"])[0]
    assert {"photosynthesis", "plants", "leaves", "kilauea", "light", "25"} <= weights.keys()
    assert not [term for term in weights if "#" in term or not any(map(str.isalnum, term))]


@given(text=TEXTS | st.sampled_from(SOME))
def test_weights_are_positive_and_descend(text):
    """Weights are numbers in 0 … 2.2, the largest first."""
    weights = list(model(SparseEncoder).weigh([text])[0].values())
    assert all(0 < weight <= 2.2 for weight in weights)
    assert weights == sorted(weights, reverse=True)


def test_near_words_come_along():
    """A word brings words of like meaning, which weigh less than it does."""
    weights = model(SparseEncoder).weigh(["moon"])[0]
    assert next(iter(weights)) == "moon"
    assert {"lunar", "moons"} <= weights.keys()
    assert max(weight for term, weight in weights.items() if term != "moon") <= 0.5 * weights["moon"]
    assert len(weights) == 1 + encoders.NEIGHBOURS


@pytest.mark.parametrize("text", ["moon lunar", "lunar moon"])
def test_of_several_weights_the_largest_counts(text):
    """A word of the text keeps its own weight where another word brings it along, too."""
    weights = model(SparseEncoder).weigh([text])[0]
    alone = {word: model(SparseEncoder).weigh([word])[0][word] for word in ("moon", "lunar")}
    assert {word: weights[word] for word in alone} == pytest.approx(alone, rel=0.02)


def test_rare_words_weigh_more():
    """What every text has weighs next to nothing."""
    weights = model(SparseEncoder).weigh(["the eclipse of photosynthesis"])[0]
    assert weights["photosynthesis"] > weights["eclipse"] > 10 * weights.get("the", 0)


def test_a_word_said_twice_weighs_more_but_not_twice():
    """Counts saturate as BM25's do."""
    once, twice = (model(SparseEncoder).weigh([text])[0]["eclipse"] for text in ("eclipse", "eclipse eclipse"))
    assert once < twice < 2 * once


def test_numbers_have_no_neighbours():
    """A number stands for itself."""
    assert list(model(SparseEncoder).weigh(["1969"])[0]) == ["1969"]


def test_nothing_to_weigh_gives_no_terms():
    """Empty texts, punctuation and unknown characters have no terms."""
    assert model(SparseEncoder).weigh([]) == []
    assert model(SparseEncoder).weigh(["", " ", "?!", "🙂"]) == [{}, {}, {}, {}]


@settings(max_examples=30)
@given(texts=st.lists(st.sampled_from([*SOME, *PAIRS.questions]), max_size=5))
def test_weights_do_not_hang_on_the_batch(texts):
    """A text has the same terms alone and among others, to the last digits of a float."""
    fresh = SparseEncoder(FOLDER, name="fresh")
    for text, together in zip(texts, model(SparseEncoder).weigh(texts), strict=True):
        assert fresh.weigh([text])[0] == pytest.approx(together, abs=1e-5)


def test_memory_of_neighbours_is_bounded(monkeypatch):
    """Neighbours are remembered for so many words, not for all there ever were."""
    monkeypatch.setattr(encoders, "REMEMBERED", 50)
    fresh = SparseEncoder(FOLDER, name="fresh")
    for question in PAIRS.questions[:60]:
        fresh.weigh([question])
    assert 0 < len(fresh._near) <= 50


# Reranker


@given(query=TEXTS | st.sampled_from(SOME), texts=st.lists(TEXTS | st.sampled_from(SOME), max_size=5))
def test_scores_are_between_nothing_and_one(query, texts):
    """Every score is in 0 … 1, and a text has it in any company."""
    scores = model(Reranker).score(query, texts)
    assert scores.shape == (len(texts),)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    backwards = model(Reranker).score(query, texts[::-1])
    assert np.array_equal(backwards[::-1], scores)


def test_the_query_itself_scores_one():
    """No text answers better than one that says the same."""
    query = "Why does the Moon turn red?"
    scores = model(Reranker).score(query, [query, "A red moon is seen in an eclipse.", "Bread needs yeast."])
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert scores[0] > scores[1] > scores[2]


def test_nothing_scores_nothing():
    """Without a word in the query or in the text the score is 0."""
    assert model(Reranker).score("", ["moon", ""]).tolist() == [0, 0]
    assert model(Reranker).score("?", ["moon?"]).tolist() == [0]
    assert model(Reranker).score("moon", ["", "🙂"]).tolist() == [0, 0]


def test_rare_words_of_the_query_decide():
    """A text with the query's rare word is before one with its common words."""
    scores = model(Reranker).score("what is the eclipse", ["what is the what", "eclipse"])
    assert scores[1] > scores[0]


def test_a_long_text_is_read_to_its_end():
    """The word that answers may come after any number of others."""
    words = [f"{first}{second}x{third}" for first in "abcdefghij" for second in "klmnopqrst" for third in range(100)]
    assert len(words) > BLOCK
    without = " ".join(words)
    scores = model(Reranker).score("eclipse", [without, f"{without} eclipse"])
    assert scores[1] > scores[0] + 0.1


# Retrieval


def test_the_development_set_is_another_one():
    """Nothing of the development pairs is in the pairs that are reported."""
    development = evaluate.pairs(evaluate.HERE / "development.jsonl")
    for column in ("questions", "paraphrases", "paragraphs"):
        assert not set(getattr(development, column)) & set(getattr(PAIRS, column))


def test_ranks_count_what_comes_before():
    """A right paragraph's rank is how many have a higher score, or the same and come first."""
    few = evaluate.Pairs(["a", "b"], ["c", "d"], ["x", "y"], [])
    assert few.ranks(np.array([[1, 2], [3, 3], [5, 4], [0, 1]])).tolist() == [1, 1, 0, 0]
    assert evaluate.figures(np.array([0, 1, 9, 10])) == pytest.approx((0.25, 0.75, (1 + 0.5 + 0.1) / 4))


def test_bm25_is_lucenes():
    """The search that is compared with gives what is computed by hand."""
    scores = evaluate.bm25(["sea moon"], ["The sea, the sea!", "A boat"])
    idf, short = np.log(1 + 1.5 / 1.5), 1.2 * (0.25 + 0.75 * 4 / 3)
    assert scores[0] == pytest.approx([idf * 2 * 2.2 / (2 + short), 0])


def test_sparse_beats_bm25():
    """Weighted terms find more, and earlier, than BM25 that knows the collection."""
    assert figures("sparse")[1] > figures("BM25")[1] + 0.02
    assert figures("sparse")[2] > figures("BM25")[2] + 0.02


def test_ranking_again_is_better_than_the_first_order():
    """Late interaction over the first fifty of the dense order puts the right one first more often."""
    assert figures("dense, reranked")[0] > figures("dense")[0] + 0.02
    assert figures("dense, reranked")[2] > figures("dense")[2] + 0.02


# Where the answers come from


def test_vectors_of_another_table_find_nothing(tmp_path):
    """Queries read with the rows in another order find the right paragraph about as often as chance does."""
    queries, paragraphs = Embedder(shuffled(tmp_path / "copy"), name="copy"), model(Embedder)
    found = PAIRS.ranks(PAIRS.search(lambda asked, texts: queries.embed(asked) @ paragraphs.embed(texts).T))
    assert evaluate.figures(found)[1] < 3 * 10 / len(PAIRS.paragraphs)
    assert evaluate.figures(found)[2] < 0.02


def test_what_rows_mean_decides(tmp_path):
    """With the rows in another order for all texts, little is left but words that query and paragraph share."""
    searches, half = evaluate.searches(shuffled(tmp_path / "copy")), len(PAIRS.questions)
    found = {name: PAIRS.ranks(PAIRS.search(searches[name]))[half:] for name in ("dense", "dense, reranked", "sparse")}
    assert evaluate.figures(found["dense"])[2] < 0.1
    assert evaluate.figures(found["dense, reranked"])[2] < 0.3
    assert evaluate.figures(found["sparse"])[2] == pytest.approx(evaluate.figures(ranks("BM25")[half:])[2], abs=0.05)
