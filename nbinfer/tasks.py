"""The tasks, one row each: what a call takes, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbinfer.chats import ChatResult
from nbinfer.filled import InfillResult
from nbinfer.params import (
    AutomaticSpeechRecognition,
    Chat,
    FillMask,
    ImageClassification,
    ImageToImage,
    ImageToText,
    Infill,
    ObjectDetection,
    QuestionAnswering,
    Rerank,
    SentenceSimilarity,
    SparseEmbedding,
    Summarization,
    TableQuestionAnswering,
    TextClassification,
    TextEmbedding,
    TextGeneration,
    TextToImage,
    TextToSpeech,
    TokenClassification,
    Translation,
    ZeroShotClassification,
)
from nbinfer.records import AudioResult, ImageResult, RecordsResult, WrittenResult
from nbinfer.results import Result, TextResult
from nbinfer.vectors import EmbeddingResult, RankResult, SimilarityResult, SparseResult


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: its name, its options, its result, and what `%%infer` makes of the text in a cell."""

    name: str
    description: str
    parameters: type
    result: type[Result]
    aliases: tuple[str, ...] = ()
    several: bool = False
    """Takes a list of texts, and does the same with each."""
    by_line: bool = False
    """Each line of a cell is a text of its own."""
    against: str = ""
    """The option whose text goes before the others."""
    turns: bool = False
    """Takes the messages of a conversation; a text is the user's only one."""
    file: bool = False
    """Takes a file: a path, an address or bytes; the text of a cell is a path or an address."""
    done_as: str = ""
    """The task that services do for it, where it is a way to put another."""
    takes: str = ""
    """What huggingface_hub's method calls the input, where that method makes the request and reads the answer."""
    unit: str = "record"
    """What one record of the answer is."""
    example: str = ""
    """A model that does it, where none is in the package."""


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="text-generation",
            aliases=("generate",),
            description="Continue a prompt.",
            parameters=TextGeneration,
            result=TextResult,
        ),
        Task(
            name="infill",
            description="Fill the hole in code: <FILL> marks it.",
            parameters=Infill,
            result=InfillResult,
            done_as="text-generation",
        ),
        Task(
            name="chat",
            description="Answer a conversation.",
            parameters=Chat,
            result=ChatResult,
            turns=True,
        ),
        Task(
            name="text-embedding",
            aliases=("embed",),
            description="Turn each text into a vector; near vectors mean near things.",
            parameters=TextEmbedding,
            result=EmbeddingResult,
            several=True,
        ),
        Task(
            name="sparse-embedding",
            aliases=("sparse",),
            description="Turn each text into weighted terms, its own and related ones.",
            parameters=SparseEmbedding,
            result=SparseResult,
            several=True,
        ),
        Task(
            name="rerank",
            description="Order texts by how well they answer a query.",
            parameters=Rerank,
            result=RankResult,
            several=True,
            by_line=True,
        ),
        Task(
            name="sentence-similarity",
            aliases=("similarity",),
            description="Say how near each text is to a sentence.",
            parameters=SentenceSimilarity,
            result=SimilarityResult,
            several=True,
            by_line=True,
            against="sentence",
        ),
        Task(
            name="text-classification",
            aliases=("classify",),
            description="Label a text.",
            parameters=TextClassification,
            result=RecordsResult,
            takes="text",
            unit="label",
            example="distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        ),
        Task(
            name="zero-shot-classification",
            aliases=("zero-shot",),
            description="Label a text with labels of one's own.",
            parameters=ZeroShotClassification,
            result=RecordsResult,
            takes="text",
            unit="label",
            example="facebook/bart-large-mnli",
        ),
        Task(
            name="token-classification",
            aliases=("ner",),
            description="Find names and other entities in a text.",
            parameters=TokenClassification,
            result=RecordsResult,
            takes="text",
            unit="entity",
            example="dslim/bert-base-NER",
        ),
        Task(
            name="fill-mask",
            description="Find words for the mask in a text.",
            parameters=FillMask,
            result=RecordsResult,
            takes="text",
            unit="word",
            example="google-bert/bert-base-uncased",
        ),
        Task(
            name="summarization",
            aliases=("summarize",),
            description="Say in short what a text says.",
            parameters=Summarization,
            result=WrittenResult,
            takes="text",
            example="facebook/bart-large-cnn",
        ),
        Task(
            name="translation",
            aliases=("translate",),
            description="Translate a text.",
            parameters=Translation,
            result=WrittenResult,
            takes="text",
            example="Helsinki-NLP/opus-mt-en-fr",
        ),
        Task(
            name="question-answering",
            description="Find the answer to a question in a text.",
            parameters=QuestionAnswering,
            result=RecordsResult,
            takes="question",
            unit="answer",
            example="deepset/roberta-base-squad2",
        ),
        Task(
            name="table-question-answering",
            description="Find the answer to a question in a table.",
            parameters=TableQuestionAnswering,
            result=RecordsResult,
            takes="query",
            unit="answer",
            example="google/tapas-base-finetuned-wtq",
        ),
        Task(
            name="text-to-image",
            aliases=("image",),
            description="Make an image from a text.",
            parameters=TextToImage,
            result=ImageResult,
            takes="prompt",
            example="stabilityai/stable-diffusion-xl-base-1.0",
        ),
        Task(
            name="image-to-image",
            description="Make an image from another.",
            parameters=ImageToImage,
            result=ImageResult,
            file=True,
            takes="image",
            example="timbrooks/instruct-pix2pix",
        ),
        Task(
            name="image-classification",
            description="Label an image.",
            parameters=ImageClassification,
            result=RecordsResult,
            file=True,
            takes="image",
            unit="label",
            example="google/vit-base-patch16-224",
        ),
        Task(
            name="object-detection",
            description="Find things in an image, with their places.",
            parameters=ObjectDetection,
            result=RecordsResult,
            file=True,
            takes="image",
            unit="object",
            example="facebook/detr-resnet-50",
        ),
        Task(
            name="image-to-text",
            aliases=("caption",),
            description="Describe an image, or read what is written in it.",
            parameters=ImageToText,
            result=WrittenResult,
            file=True,
            takes="image",
            example="Salesforce/blip-image-captioning-base",
        ),
        Task(
            name="automatic-speech-recognition",
            aliases=("transcribe",),
            description="Write down what is said.",
            parameters=AutomaticSpeechRecognition,
            result=WrittenResult,
            file=True,
            takes="audio",
            example="openai/whisper-large-v3",
        ),
        Task(
            name="text-to-speech",
            aliases=("speak",),
            description="Say a text aloud.",
            parameters=TextToSpeech,
            result=AudioResult,
            takes="text",
            example="facebook/mms-tts-eng",
        ),
    )
}

BORROWED = tuple(task.name for task in TASKS.values() if task.takes)
"""Tasks whose requests and answers are left to huggingface_hub's client."""

FORMS = tuple(dict.fromkeys(form for task in TASKS.values() for form in task.result.forms))
"""Every form that some result can be shown in."""
