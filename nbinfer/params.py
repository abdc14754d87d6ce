"""Every option, declared once: keyword types, checks, flags, controls and documentation are made from these rows.

A group is a TypedDict whose fields carry a `Param`; `table(group)` reads it as rows. Ranges and the texts of
refusals are text-generation-inference's (router 3.3, `validation.rs`), in the order in which that server checks.
Annotations are evaluated as they stand, not kept as texts: reading 150 of them later is a fifth of `%load_ext`.
"""

import ast
import functools
import json
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, TypedDict, Union, get_args, get_origin, get_type_hints

from nbinfer.errors import ParameterError, nearest

DEFAULT_MAX_NEW_TOKENS = 256
SEEDS = 2**64

Objects = list[dict[str, Any]]
Named = str | dict[str, Any]
"""A name, or an object that says more."""
Table = dict[str, list[Any]]
"""Columns by name, or a DataFrame."""
Stated = bool | None
"""True or false, written out on a line, because to another task the same flag takes a value."""


@dataclass(frozen=True, kw_only=True)
class Param:
    """One option: all that any face needs to know about it."""

    description: str
    usual: tuple[float, ...] = ()
    """Values worth trying: in help, on sliders, in the documentation."""
    default: Any = None
    """Sent when the caller gives nothing; None leaves the option out."""
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    off: float | None = None
    """One value outside the bounds that is understood all the same."""
    aliases: tuple[str, ...] = ()
    samples: bool = False
    """Giving it switches sampling on."""
    sent: bool = True
    """False for what nbinfer does itself with the answer."""
    sensitive: bool = False
    """Its value is shown nowhere."""
    name: str = ""  # this and the rest are filled in by table()
    type: Any = str
    choices: tuple[Any, ...] = ()

    @property
    def flag(self) -> str:
        """Return the name as a command-line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def bounds(self) -> str:
        """Say in words which numbers are allowed, as the server says it; empty where all are."""
        whole_from_one = self.ge == 1 and self.type is int
        if (self.gt == 0 or whole_from_one) and self.lt is None and self.le is None:
            return "must be strictly positive"
        signs = (("> ", self.gt), (">= ", self.ge), ("< ", self.lt), ("<= ", self.le))
        limits = [sign + _figure(bound, self.type) for sign, bound in signs if bound is not None]
        return f"must be {' and '.join(limits)}" if limits else ""

    def check(self, value: Any) -> Any:
        """Return `value` in the option's own type, or raise ValueError with the reason."""
        checked = _CHECKS[self.type if self.type in _CHECKS else get_origin(self.type)](self, value)
        if self.choices and checked not in self.choices:
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}. Given: {value!r}")
        return checked

    def parse(self, text: str) -> Any:
        """Read the option from the text of a flag; raise ValueError with the reason."""
        if self.type in {int, float}:
            try:
                value = self.type(text)
            except ValueError:
                _refuse_number(text, self)
            return self.check(value)
        if self.type in {dict, Objects, Table}:
            return self.check(read_object(text))
        if self.type == Named:
            return self.check(read_object(text) if text.lstrip().startswith("{") else text)
        if self.type == list[str]:
            return self.check([text.replace("\\n", "\n").replace("\\t", "\t")])
        return self.check(text)


FREQUENCY_PENALTY = Param(
    description="Lower a token's score for each time it occurred.", usual=(0.0, 0.5, 1.0), ge=-2.0, le=2.0
)
STOP = Param(
    description="End where this text would appear; the text itself is left out. Repeat for several.",
    aliases=("stop_sequences",),
)
SEED = Param(description="Make sampling repeatable.", usual=(42,), ge=0, lt=SEEDS)
KEEP_STOP = Param(description="Leave the stop text at the end of the answer.", sent=False)
TEMPLATE = Param(
    description="Form to put it into here, and send as a text: a name, a folder, a hub id or the Jinja text itself.",
    sent=False,
)
ESCAPE = Param(description="Break up the form's special tags in what is said; they are refused else.", sent=False)
"""What text generation and chat have in common."""


class Continuation(TypedDict, total=False):
    """Options of continuing a text, whatever it is."""

    best_of: Annotated[
        int, Param(description="Generate this many answers and keep the likeliest; needs sampling.", ge=1)
    ]
    temperature: Annotated[
        float,
        Param(
            description="Randomness: low is careful, high is daring, 0 always takes the likeliest token.",
            usual=(0.2, 0.7, 1.0),
            gt=0,
            off=0,
            samples=True,
        ),
    ]
    repetition_penalty: Annotated[
        float, Param(description="Make tokens that occurred less likely; 1 is no penalty.", usual=(1.0, 1.1, 1.3), gt=0)
    ]
    frequency_penalty: Annotated[float, FREQUENCY_PENALTY]
    top_p: Annotated[
        float,
        Param(
            description="Keep the likeliest tokens that together reach this probability.",
            usual=(0.9, 0.95),
            gt=0.0,
            lt=1.0,
            samples=True,
        ),
    ]
    typical_p: Annotated[
        float,
        Param(
            description="Keep the tokens whose surprise is nearest to the expected, up to this probability.",
            usual=(0.9, 0.95),
            gt=0.0,
            lt=1.0,
            samples=True,
        ),
    ]
    top_k: Annotated[
        int, Param(description="Keep only this many of the likeliest tokens.", usual=(10, 50), ge=1, samples=True)
    ]
    max_new_tokens: Annotated[
        int, Param(description="Most tokens to generate.", usual=(20, 100, 256), ge=1, default=DEFAULT_MAX_NEW_TOKENS)
    ]
    stop: Annotated[list[str], STOP]
    seed: Annotated[int, SEED]
    top_n_tokens: Annotated[
        int, Param(description="Also report this many alternatives for each token.", usual=(0, 5), ge=0)
    ]
    truncate: Annotated[int, Param(description="Keep only the last tokens of the prompt, this many.", ge=1)]
    do_sample: Annotated[
        bool, Param(description="Draw tokens at random; on when temperature, top_k, top_p or typical_p is given.")
    ]
    return_full_text: Annotated[bool, Param(description="Put the prompt in front of the answer.", default=False)]
    decoder_input_details: Annotated[bool, Param(description="Also report the prompt's tokens and their logprobs.")]
    watermark: Annotated[bool, Param(description="Mark the text with the server's statistical watermark.")]
    grammar: Annotated[
        dict[str, Any],
        Param(description='Force a form: {"type": "regex", "value": …} or {"type": "json", "value": <schema>}.'),
    ]
    adapter_id: Annotated[str, Param(description="LoRA adapter the server should apply.")]
    keep_stop: Annotated[bool, KEEP_STOP]


class TextGeneration(Continuation, total=False):
    """Options of text generation."""

    template: Annotated[str, TEMPLATE]
    escape: Annotated[bool, ESCAPE]


class Infill(Continuation, total=False):
    """Options of filling a hole in code: those of continuing a text, and how the model is asked."""

    form: Annotated[str, Param(description="Form of the prompt; by the model's name unless given.", sent=False)]
    suffix_first: Annotated[bool, Param(description="Put what follows the hole first.", sent=False)]


class Chat(TypedDict, total=False):
    """Options of chat; ranges are those of OpenAI's API."""

    temperature: Annotated[
        float,
        Param(
            description="Randomness: low is careful, high is daring, 0 always takes the likeliest token.",
            usual=(0.2, 0.7, 1.0),
            ge=0,
            samples=True,
        ),
    ]
    top_p: Annotated[
        float,
        Param(
            description="Keep the likeliest tokens that together reach this probability.",
            usual=(0.9, 0.95),
            gt=0.0,
            le=1.0,
            samples=True,
        ),
    ]
    max_tokens: Annotated[
        int,
        Param(
            description="Most tokens to answer with.",
            usual=(100, 256, 1000),
            ge=1,
            default=DEFAULT_MAX_NEW_TOKENS,
            aliases=("max_completion_tokens", "max_new_tokens"),
        ),
    ]
    stop: Annotated[list[str], STOP]
    seed: Annotated[int, SEED]
    frequency_penalty: Annotated[float, FREQUENCY_PENALTY]
    presence_penalty: Annotated[
        float, Param(description="Lower a token's score once it occurred.", usual=(0.0, 0.5, 1.0), ge=-2.0, le=2.0)
    ]
    n: Annotated[int, Param(description="Give this many answers.", usual=(1, 3), ge=1)]
    logprobs: Annotated[bool, Param(description="Also report the tokens of the answer and their logprobs.")]
    top_logprobs: Annotated[
        int, Param(description="Also report this many alternatives for each token.", usual=(0, 5), ge=0, le=20)
    ]
    logit_bias: Annotated[dict[str, Any], Param(description="Token id → what to add to its score, -100 to 100.")]
    response_format: Annotated[
        dict[str, Any],
        Param(
            description='Force a form: {"type": "json_object"}, a JSON schema, or {"type": "regex", "value": …}.',
            aliases=("grammar",),
        ),
    ]
    tools: Annotated[Objects, Param(description="Functions that the model may ask to be called, in OpenAI's form.")]
    tool_choice: Annotated[Named, Param(description="auto, none, required, or the name of a function.")]
    tool_prompt: Annotated[str, Param(description="What TGI puts in front of the tools.")]
    stream_options: Annotated[
        dict[str, Any], Param(description='{"include_usage": true} gives a last chunk of counts.')
    ]
    keep_stop: Annotated[bool, KEEP_STOP]
    template: Annotated[str, TEMPLATE]
    escape: Annotated[bool, ESCAPE]


class TextEmbedding(TypedDict, total=False):
    """Options of text embedding."""

    normalize: Annotated[bool, Param(description="Give every vector the length 1.", default=True)]
    prompt_name: Annotated[
        str, Param(description="What the texts are, for models that tell queries from passages: query, passage.")
    ]
    dimensions: Annotated[int, Param(description="Keep this many numbers of each vector.", usual=(256,), ge=1)]
    truncate: Annotated[Stated, Param(description="Cut texts that are too long for the model; servers do unless told.")]
    truncation_direction: Annotated[
        Literal["Left", "Right"], Param(description="Which end of a text that is too long is cut.")
    ]


class SparseEmbedding(TypedDict, total=False):
    """Options of sparse embedding: none."""


class Rerank(TypedDict, total=False):
    """Options of ranking."""

    query: Annotated[str, Param(description="What the texts are ranked for.")]
    top_n: Annotated[int, Param(description="Keep only this many, the best ones.", usual=(3, 10), ge=1)]
    return_documents: Annotated[bool, Param(description="Give the texts back with their scores.", default=True)]


Scores = Literal["sigmoid", "softmax", "none"]
Cut = Literal["do_not_truncate", "longest_first", "only_first", "only_second"]


class SentenceSimilarity(TypedDict, total=False):
    """Options of comparing texts with a sentence."""

    sentence: Annotated[str, Param(description="What the texts are compared with.")]


class TextClassification(TypedDict, total=False):
    """Options of text classification."""

    top_k: Annotated[int, Param(description="Keep only this many labels, the likeliest.", usual=(1, 5), ge=1)]
    function_to_apply: Annotated[Scores, Param(description="How the model's outputs become scores.")]


class TokenClassification(TypedDict, total=False):
    """Options of token classification."""

    aggregation_strategy: Annotated[
        Literal["none", "simple", "first", "average", "max"],
        Param(description="How tokens that belong together become one entity."),
    ]
    ignore_labels: Annotated[list[str], Param(description="Leave this label out. Repeat for several.")]
    stride: Annotated[int, Param(description="Tokens that the parts of a long text have in common.", ge=0)]


class ZeroShotClassification(TypedDict, total=False):
    """Options of classification by labels of one's own."""

    candidate_labels: Annotated[
        list[str], Param(description="A label that may fit. Repeat for several.", aliases=("labels",))
    ]
    multi_label: Annotated[bool, Param(description="Score each label by itself: several may fit.")]
    hypothesis_template: Annotated[
        str, Param(description="Sentence that the labels are put into, such as `This text is about {}.`.")
    ]


class FillMask(TypedDict, total=False):
    """Options of filling a mask."""

    targets: Annotated[list[str], Param(description="Score only this word. Repeat for several.")]
    top_k: Annotated[int, Param(description="Keep only this many words, the likeliest.", usual=(1, 5), ge=1)]


class Summarization(TypedDict, total=False):
    """Options of summarization."""

    clean_up_tokenization_spaces: Annotated[bool, Param(description="Remove blanks that tokens left in the text.")]
    generate_parameters: Annotated[dict[str, Any], Param(description="Options of text generation, as one object.")]
    truncation: Annotated[Cut, Param(description="How a text that is too long is cut.")]


class Translation(TypedDict, total=False):
    """Options of translation."""

    src_lang: Annotated[str, Param(description="Language of the text, for models that know several.")]
    tgt_lang: Annotated[str, Param(description="Language to translate into, for models that know several.")]
    clean_up_tokenization_spaces: Annotated[bool, Param(description="Remove blanks that tokens left in the text.")]
    truncation: Annotated[Cut, Param(description="How a text that is too long is cut.")]
    generate_parameters: Annotated[dict[str, Any], Param(description="Options of text generation, as one object.")]


class QuestionAnswering(TypedDict, total=False):
    """Options of answering from a text."""

    context: Annotated[str, Param(description="Text that holds the answer.")]
    align_to_words: Annotated[bool, Param(description="Begin and end an answer at the borders of words.")]
    doc_stride: Annotated[int, Param(description="Tokens that the parts of a long text have in common.", ge=1)]
    handle_impossible_answer: Annotated[bool, Param(description="Allow the answer that the text holds none.")]
    max_answer_len: Annotated[int, Param(description="Longest answer, in tokens.", ge=1)]
    max_question_len: Annotated[int, Param(description="Longest question, in tokens; the rest is cut.", ge=1)]
    max_seq_len: Annotated[int, Param(description="Tokens of question and text that the model sees at once.", ge=1)]
    top_k: Annotated[int, Param(description="Give this many answers, the likeliest first.", usual=(1, 3), ge=1)]


class TableQuestionAnswering(TypedDict, total=False):
    """Options of answering from a table."""

    table: Annotated[Table, Param(description='A DataFrame, or columns of texts: {"city": ["Paris"], "size": ["2"]}.')]
    padding: Annotated[
        Literal["do_not_pad", "longest", "max_length"], Param(description="How short inputs are filled up.")
    ]
    sequential: Annotated[bool, Param(description="Take questions in turn, for models that need the answer before.")]
    truncation: Annotated[
        bool | Literal["drop_rows_to_fit", "do_not_truncate"],
        Param(description="Whether rows of a table that is too long are dropped."),
    ]


NEGATIVE_PROMPT = Param(description="What should not be in the image.")
STEPS = Param(description="Steps of denoising: more is slower and finer.", usual=(20, 30, 50), ge=1)
GUIDANCE = Param(description="How closely the image follows the prompt.", usual=(3.5, 7.5), ge=0)
"""What tasks that make images have in common."""


class TextToImage(TypedDict, total=False):
    """Options of making an image from a text."""

    negative_prompt: Annotated[str, NEGATIVE_PROMPT]
    width: Annotated[int, Param(description="Width in pixels.", usual=(512, 1024), ge=1)]
    height: Annotated[int, Param(description="Height in pixels.", usual=(512, 1024), ge=1)]
    num_inference_steps: Annotated[int, STEPS]
    guidance_scale: Annotated[float, GUIDANCE]
    scheduler: Annotated[str, Param(description="The server's name for the way of denoising.")]
    seed: Annotated[int, SEED]


class ImageToImage(TypedDict, total=False):
    """Options of making an image from another."""

    prompt: Annotated[str, Param(description="What the image should become.")]
    negative_prompt: Annotated[str, NEGATIVE_PROMPT]
    num_inference_steps: Annotated[int, STEPS]
    guidance_scale: Annotated[float, GUIDANCE]
    target_size: Annotated[dict[str, Any], Param(description='Size of the new image: {"width": 512, "height": 512}.')]


class ImageClassification(TypedDict, total=False):
    """Options of image classification."""

    function_to_apply: Annotated[Scores, Param(description="How the model's outputs become scores.")]
    top_k: Annotated[int, Param(description="Keep only this many labels, the likeliest.", usual=(1, 5), ge=1)]


class ObjectDetection(TypedDict, total=False):
    """Options of object detection."""

    threshold: Annotated[
        float, Param(description="Leave out what is less likely than this.", usual=(0.5, 0.9), ge=0.0, le=1.0)
    ]


class ImageToText(TypedDict, total=False):
    """Options of describing an image: none."""


class AutomaticSpeechRecognition(TypedDict, total=False):
    """Options of speech recognition: none."""


class TextToSpeech(TypedDict, total=False):
    """Options of speech."""

    do_sample: Annotated[bool, Param(description="Draw at random instead of taking the likeliest.")]
    early_stopping: Annotated[
        bool | Literal["never"], Param(description="When a search with beams ends: true, false or never.")
    ]
    epsilon_cutoff: Annotated[
        float, Param(description="Draw only from what is likelier than this.", usual=(3e-4, 9e-4), ge=0.0, lt=1.0)
    ]
    eta_cutoff: Annotated[
        float,
        Param(description="The same, but stricter where the model is sure.", usual=(3e-4, 2e-3), ge=0.0, lt=1.0),
    ]
    max_length: Annotated[int, Param(description="Most tokens of text and sound together.", ge=1)]
    max_new_tokens: Annotated[int, Param(description="Most tokens of sound.", ge=1)]
    min_length: Annotated[int, Param(description="Fewest tokens of text and sound together.", ge=0)]
    min_new_tokens: Annotated[int, Param(description="Fewest tokens of sound.", ge=0)]
    num_beam_groups: Annotated[int, Param(description="Groups of beams that are kept apart.", ge=1)]
    num_beams: Annotated[int, Param(description="Beams to search with.", ge=1)]
    penalty_alpha: Annotated[float, Param(description="Weight of the penalty in contrastive search.", ge=0.0)]
    temperature: Annotated[float, Param(description="Randomness: low is careful, high is daring.", gt=0.0)]
    top_k: Annotated[int, Param(description="Draw only from this many, the likeliest.", ge=1)]
    top_p: Annotated[
        float, Param(description="Draw only from the likeliest that together reach this probability.", gt=0.0, le=1.0)
    ]
    typical_p: Annotated[
        float, Param(description="Draw only from the typical, up to this probability.", gt=0.0, le=1.0)
    ]
    use_cache: Annotated[bool, Param(description="Whether the model keeps what it computed; off is slower.")]


class Call(TypedDict, total=False):
    """How a call is made; the same for every task."""

    api_key: Annotated[str, Param(description="Key for the server that this call goes to.", sensitive=True)]
    use_cache: Annotated[bool, Param(description="False asks Hugging Face for a fresh answer (x-use-cache: 0).")]
    timeout: Annotated[
        float, Param(description="Seconds to wait for the connection, the first byte, or between two bytes.", gt=0)
    ]
    retries: Annotated[
        int, Param(description="How often to try again when the model is loading or busy.", ge=0, default=3)
    ]
    headers: Annotated[dict[str, str], Param(description="Headers to send beside the client's own.")]
    base_url: Annotated[str, Param(description="Address of a server; the model is then its own name for one.")]
    provider: Annotated[
        str, Param(description="Who runs a hub model: hf-inference, together … or fastest, cheapest, preferred.")
    ]
    bill_to: Annotated[str, Param(description="Organisation on Hugging Face that pays for the call.")]
    bridge: Annotated[
        bool,
        Param(
            description="Whether a text may go as a chat, or a chat as a text, where only that is offered.",
            default=True,
        ),
    ]
    extra: Annotated[
        dict[str, Any],
        Param(description="Parameters that nbinfer does not know, sent as they are.", aliases=("extra_body",)),
    ]


class TextGenerationCall(TextGeneration, Call, total=False):
    """All that `text_generation` takes beside the prompt."""


class InfillCall(Infill, Call, total=False):
    """All that `infill` takes beside the code."""


class ChatCall(Chat, Call, total=False):
    """All that `chat_completion` takes beside the messages."""


class TextEmbeddingCall(TextEmbedding, Call, total=False):
    """All that `feature_extraction` takes beside the texts."""


class SparseEmbeddingCall(SparseEmbedding, Call, total=False):
    """All that `sparse_embedding` takes beside the texts."""


class RerankCall(Call, total=False):
    """All that `rerank` takes beside the query and the texts."""

    top_n: int
    return_documents: bool


@dataclass(frozen=True)
class Limits:
    """What one server allows; None where it has not said."""

    max_best_of: int | None = None
    max_stop_sequences: int | None = None
    max_top_n_tokens: int | None = None
    max_input_tokens: int | None = None
    max_total_tokens: int | None = None


@functools.cache
def table(group: type) -> Mapping[str, Param]:
    """Read a parameter group as rows, by name."""
    rows = {}
    for name, hint in get_type_hints(group, include_extras=True).items():
        kind, row = get_args(hint)[:2]
        choices = get_args(kind) if get_origin(kind) is Literal else row.choices
        plain = get_origin(kind) is dict and kind is not Table
        own = dict if plain else type(choices[0]) if choices else kind
        rows[name] = replace(row, name=name, type=own, choices=choices)
    return rows


@functools.cache
def names(group: type) -> Mapping[str, Param]:
    """Return the rows of a group under every name they answer to, synonyms too."""
    rows = table(group)
    return {alias: row for row in rows.values() for alias in (row.name, *row.aliases)}


def resolve(group: type, given: Mapping[str, Any], *, limits: Limits | None = None) -> dict[str, Any]:
    """Check what a caller gave against a group and return it under the canonical names, without defaults.

    None means "not given". Raises ParameterError that lists every offender, each in the server's words.
    """
    known = names(group)
    problems: list[str] = []
    unknown = [name for name in given if name not in known]
    values: dict[str, Any] = {}
    for alias, row in known.items():
        if given.get(alias) is None:
            continue
        if row.name in values:
            problems.append(f"`{alias}` and `{row.name}` are the same: give one of them")
            continue
        try:
            values[row.name] = row.check(given[alias])
        except ValueError as error:
            reason = str(error).partition(". Given:")[0] if row.sensitive else error
            problems.append(f"`{row.name}` {reason}")
    if group in _RULES and not problems:
        problems += _RULES[group](values, limits or Limits())
    hint = " ".join(nearest(name, known) for name in unknown)
    problems = [f"unknown parameter `{name}`" for name in unknown] + problems
    if problems:
        raise ParameterError("\n".join(problems), hint=hint)
    return values


def defaults(group: type) -> dict[str, Any]:
    """Return the values that are sent when nothing is given."""
    return {name: row.default for name, row in table(group).items() if row.default is not None}


def split(given: Mapping[str, Any], *groups: type) -> tuple[dict[str, Any], ...]:
    """Hand every name to the first group that knows it, an unknown one to the first group (which will refuse it)."""
    parts: tuple[dict[str, Any], ...] = tuple({} for _ in groups)
    for name, value in given.items():
        home = next((n for n, group in enumerate(groups) if name in names(group)), 0)
        parts[home][name] = value
    return parts


def greedy(values: Mapping[str, Any]) -> bool:
    """Say whether temperature 0 was given: no sampling, whatever else stands beside it."""
    return values.get("temperature") == 0


def sampling(values: Mapping[str, Any]) -> bool:
    """Say whether these options of text generation switch sampling on."""
    if greedy(values):
        return False
    chosen = any(row.samples and name in values for name, row in table(TextGeneration).items())
    return bool(values.get("do_sample", chosen))


def _text_generation_rules(values: Mapping[str, Any], limits: Limits) -> list[str]:
    """Check what concerns several options, or what only the server at hand can say."""
    problems = []
    best_of = values.get("best_of", 1)
    stop, top_n_tokens = values.get("stop", []), values.get("top_n_tokens", 0)
    if limits.max_best_of is not None and best_of > limits.max_best_of:
        problems.append(f"`best_of` must be > 0 and <= {limits.max_best_of}. Given: {best_of}")
    if best_of > 1 and not sampling(values):
        problems.append("you must use sampling when `best_of` is > 1")
    against = [name for name, row in table(TextGeneration).items() if row.samples and values.get(name)]
    if values.get("do_sample") is False and against and not greedy(values):
        problems.append(f"`do_sample` is False but {_listed(against)} asks for sampling: leave one out")
    if values.get("do_sample") and greedy(values):
        problems.append("`do_sample` is True but `temperature` 0 asks for no sampling: leave one out")
    if limits.max_stop_sequences is not None and len(stop) > limits.max_stop_sequences:
        problems.append(f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {len(stop)}")
    if best_of > 1 and "seed" in values:
        problems.append("`seed` must not be set when `best_of` > 1")
    if limits.max_top_n_tokens is not None and top_n_tokens > limits.max_top_n_tokens:
        problems.append(f"`top_n_tokens` must be >= 0 and <= {limits.max_top_n_tokens}. Given: {top_n_tokens}")
    longest, truncate = limits.max_input_tokens, values.get("truncate", 0)
    if longest is not None and truncate > longest:
        problems.append(f"`truncate` must be strictly positive and less than {longest}. Given: {truncate}")
    return problems


def _chat_rules(values: Mapping[str, Any], _limits: Limits) -> list[str]:
    if values.get("top_logprobs") and not values.get("logprobs", True):
        return ["`top_logprobs` needs `logprobs`, which is False: leave one out"]
    return []


def _rerank_rules(values: Mapping[str, Any], _limits: Limits) -> list[str]:
    return [] if values.get("query", "").strip() else ["`query` is missing: what should the texts be ranked for?"]


def _translation_rules(values: Mapping[str, Any], _limits: Limits) -> list[str]:
    if ("src_lang" in values) != ("tgt_lang" in values):
        return ["`src_lang` and `tgt_lang` belong together: give both or none"]
    return []


def _needs(name: str, question: str) -> Callable[[Mapping[str, Any], Limits], list[str]]:
    """Return the rule that an option must be given."""
    return lambda values, _limits: [] if values.get(name) else [f"`{name}` is missing: {question}"]


_RULES: dict[type, Callable[[Mapping[str, Any], Limits], list[str]]] = {
    TextGeneration: _text_generation_rules,
    Infill: _text_generation_rules,
    Chat: _chat_rules,
    Rerank: _rerank_rules,
    SentenceSimilarity: _needs("sentence", "what should the texts be compared with?"),
    Translation: _translation_rules,
    ZeroShotClassification: _needs("candidate_labels", "which labels may fit?"),
    QuestionAnswering: _needs("context", "which text holds the answer?"),
    TableQuestionAnswering: _needs("table", "which table holds the answer?"),
}


def read_object(text: str) -> Any:
    """Read a JSON object typed on a magic's line, where quotes may also be Python's single ones."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise ValueError(f"must be a JSON object: {error}") from None


def _listed(names_: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names_)


def _figure(bound: float, kind: Any) -> str:
    return str(int(bound)) if kind is int else str(float(bound))


def _refuse_number(text: Any, row: Param) -> NoReturn:
    kind = "a whole number" if row.type is int else "a number"
    raise ValueError(f"must be {kind}. Given: {text!r}")


def _in_bounds(row: Param, value: float) -> None:
    if row.off is not None and value == row.off:
        return
    inside = (
        (row.gt is None or value > row.gt)
        and (row.ge is None or value >= row.ge)
        and (row.lt is None or value < row.lt)
        and (row.le is None or value <= row.le)
    )
    if not inside:
        raise ValueError(f"{row.bounds}. Given: {value}")


def _whole(row: Param, value: Any) -> int:
    if isinstance(value, bool) or not (isinstance(value, numbers.Integral) or _is_whole(value)):
        _refuse_number(value, row)
    whole = int(float(value)) if not isinstance(value, numbers.Integral) else int(value)
    _in_bounds(row, whole)
    return whole


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value) and float(value).is_integer()


def _real(row: Param, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        _refuse_number(value, row)
    _in_bounds(row, float(value))
    return float(value)


def _boolean(_row: Param, value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    # numpy's booleans are numbers to nobody; their text is that of Python's.
    if (isinstance(value, numbers.Real) and value in {0, 1}) or str(value) in {"True", "False"}:
        return bool(value)
    raise ValueError(f"must be true or false. Given: {value!r}")


def _text(_row: Param, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text. Given: {value!r}")  # noqa: TRY004 - one exception type says "refused"
    return value


def _texts(_row: Param, value: Any) -> list[str]:
    texts: list[Any] = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"must be a list of texts, none of them empty. Given: {value!r}")
    return list(map(str, texts))


def _object(_row: Param, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object. Given: {value!r}")  # noqa: TRY004
    return value


def _table(row: Param, value: Any) -> Table:
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        # Models for tables read texts; numbers are refused by the servers.
        return {str(name): [str(cell) for cell in column] for name, column in value.to_dict("list").items()}
    return _object(row, value)


def _objects(_row: Param, value: Any) -> Objects:
    objects: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else [None]
    if not all(isinstance(item, dict) for item in objects):
        raise ValueError(f"must be a list of objects. Given: {value!r}")
    return objects


def _switch(row: Param, value: Any) -> bool | str:
    """Check what is true, false, or one of a few words."""
    words = [word for part in get_args(row.type) for word in get_args(part)]
    if isinstance(value, str) and value in words:
        return value
    try:
        return _boolean(row, value)
    except ValueError:
        raise ValueError(f"must be {' or '.join(['true', 'false', *words])}. Given: {value!r}") from None


def _named(_row: Param, value: Any) -> Named:
    if not isinstance(value, str | dict) or not value:
        raise ValueError(f"must be a name or an object. Given: {value!r}")
    return value


_CHECKS: dict[Any, Callable[[Param, Any], Any]] = {
    Objects: _objects,
    Named: _named,
    Table: _table,
    int: _whole,
    float: _real,
    bool: _boolean,
    str: _text,
    list: _texts,
    dict: _object,
    Union: _switch,
    UnionType: _switch,
}

__all__ = [
    "AutomaticSpeechRecognition",
    "Call",
    "Chat",
    "ChatCall",
    "FillMask",
    "ImageClassification",
    "ImageToImage",
    "ImageToText",
    "Infill",
    "InfillCall",
    "Limits",
    "ObjectDetection",
    "Param",
    "QuestionAnswering",
    "Rerank",
    "RerankCall",
    "SentenceSimilarity",
    "SparseEmbedding",
    "SparseEmbeddingCall",
    "Summarization",
    "TableQuestionAnswering",
    "TextClassification",
    "TextEmbedding",
    "TextEmbeddingCall",
    "TextGeneration",
    "TextGenerationCall",
    "TextToImage",
    "TextToSpeech",
    "TokenClassification",
    "Translation",
    "ZeroShotClassification",
    "defaults",
    "resolve",
    "sampling",
    "split",
    "table",
]
