"""The methods of huggingface_hub's client that ours does not define itself, with hub's own signatures.

At run time they are looked up when first used, so that huggingface_hub is loaded no sooner; a type checker sees them
declared. The requests are ours: beside hub's arguments they take those of every call, such as `timeout` and `headers`.
"""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from nbinfer.errors import ParameterError, nearest
from nbinfer.params import Call as CallOptions
from nbinfer.params import names
from nbinfer.services.hugging_face.borrowed import methods

P = ParamSpec("P")
R = TypeVar("R")


class HubMethods:
    """Looks up hub's methods."""

    @abstractmethod
    def _hub(self, name: str) -> Callable[..., Any]:
        """Return what does the work of hub's method of this name."""

    def __dir__(self) -> list[str]:
        """Name hub's methods too."""
        return sorted({*super().__dir__(), *methods()})

    if not TYPE_CHECKING:  # A type checker sees the names declared, and finds misspelt ones.

        def __getattr__(self, name: str) -> Any:
            """Return a method of hub's client that does its work with nbinfer."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if name not in methods():
                hint = nearest(name, (known for known in dir(self) if not known.startswith("_")))
                # Without a near one the hint would list all forty.
                near = f". {hint}" if hint.startswith("Did") else ""
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{near}")
            return signed(self._hub(name), methods()[name])


def signed(own: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the name, the description and the signature of hub's method."""
    signature = inspect.signature(method)
    functools.update_wrapper(own, method)
    own.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return own


def bound(method: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Sort what hub's method is called with: its own arguments by name, and the options of a call."""
    signature = inspect.signature(method)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    options = {name: kwargs.pop(name) for name in list(kwargs) if _is_option(name, signature)}
    rest = next((one.name for one in signature.parameters.values() if one.kind is one.VAR_KEYWORD), "")
    unknown = [name for name in kwargs if name not in signature.parameters]
    if unknown and not rest:
        known = {*signature.parameters, *names(CallOptions)}
        problems = "\n".join(f"unknown parameter `{name}`" for name in unknown)
        raise ParameterError(problems, hint=" ".join(nearest(name, known) for name in unknown))
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    return {**arguments, **arguments.pop(rest, {})} if rest in arguments else arguments, options


def _is_option(name: str, signature: inspect.Signature) -> bool:
    return name not in signature.parameters and name in names(CallOptions)


if TYPE_CHECKING:
    from huggingface_hub import InferenceClient as HubClient

    class _Same(Generic[P, R]):
        """Tells a type checker that a method is hub's."""

        def __init__(self, method: Callable[Concatenate[HubClient, P], R]) -> None: ...

        def __get__(self, client: object, owner: object) -> Callable[P, R]: ...

    class _Awaited(Generic[P, R]):
        """Tells a type checker that a method is hub's, to be awaited."""

        def __init__(self, method: Callable[Concatenate[HubClient, P], R]) -> None: ...

        def __get__(self, client: object, owner: object) -> Callable[P, Coroutine[Any, Any, R]]: ...


class SyncHubMethods(HubMethods):
    """Hub's methods as they are."""

    if TYPE_CHECKING:
        audio_classification = _Same(HubClient.audio_classification)
        audio_to_audio = _Same(HubClient.audio_to_audio)
        automatic_speech_recognition = _Same(HubClient.automatic_speech_recognition)
        document_question_answering = _Same(HubClient.document_question_answering)
        fill_mask = _Same(HubClient.fill_mask)
        get_endpoint_info = _Same(HubClient.get_endpoint_info)
        health_check = _Same(HubClient.health_check)
        image_classification = _Same(HubClient.image_classification)
        image_segmentation = _Same(HubClient.image_segmentation)
        image_to_image = _Same(HubClient.image_to_image)  # type: ignore[arg-type]  # its self may be named
        image_to_text = _Same(HubClient.image_to_text)
        image_to_video = _Same(HubClient.image_to_video)  # type: ignore[arg-type]  # its self may be named
        object_detection = _Same(HubClient.object_detection)
        question_answering = _Same(HubClient.question_answering)
        summarization = _Same(HubClient.summarization)
        table_question_answering = _Same(HubClient.table_question_answering)
        tabular_classification = _Same(HubClient.tabular_classification)
        tabular_regression = _Same(HubClient.tabular_regression)
        text_classification = _Same(HubClient.text_classification)
        text_to_image = _Same(HubClient.text_to_image)
        text_to_speech = _Same(HubClient.text_to_speech)
        text_to_video = _Same(HubClient.text_to_video)
        token_classification = _Same(HubClient.token_classification)
        translation = _Same(HubClient.translation)
        visual_question_answering = _Same(HubClient.visual_question_answering)
        zero_shot_classification = _Same(HubClient.zero_shot_classification)
        zero_shot_image_classification = _Same(HubClient.zero_shot_image_classification)


class AsyncHubMethods(HubMethods):
    """Hub's methods, to be awaited."""

    if TYPE_CHECKING:
        audio_classification = _Awaited(HubClient.audio_classification)
        audio_to_audio = _Awaited(HubClient.audio_to_audio)
        automatic_speech_recognition = _Awaited(HubClient.automatic_speech_recognition)
        document_question_answering = _Awaited(HubClient.document_question_answering)
        fill_mask = _Awaited(HubClient.fill_mask)
        get_endpoint_info = _Awaited(HubClient.get_endpoint_info)
        health_check = _Awaited(HubClient.health_check)
        image_classification = _Awaited(HubClient.image_classification)
        image_segmentation = _Awaited(HubClient.image_segmentation)
        image_to_image = _Awaited(HubClient.image_to_image)  # type: ignore[arg-type]  # its self may be named
        image_to_text = _Awaited(HubClient.image_to_text)
        image_to_video = _Awaited(HubClient.image_to_video)  # type: ignore[arg-type]  # its self may be named
        object_detection = _Awaited(HubClient.object_detection)
        question_answering = _Awaited(HubClient.question_answering)
        summarization = _Awaited(HubClient.summarization)
        table_question_answering = _Awaited(HubClient.table_question_answering)
        tabular_classification = _Awaited(HubClient.tabular_classification)
        tabular_regression = _Awaited(HubClient.tabular_regression)
        text_classification = _Awaited(HubClient.text_classification)
        text_to_image = _Awaited(HubClient.text_to_image)
        text_to_speech = _Awaited(HubClient.text_to_speech)
        text_to_video = _Awaited(HubClient.text_to_video)
        token_classification = _Awaited(HubClient.token_classification)
        translation = _Awaited(HubClient.translation)
        visual_question_answering = _Awaited(HubClient.visual_question_answering)
        zero_shot_classification = _Awaited(HubClient.zero_shot_classification)
        zero_shot_image_classification = _Awaited(HubClient.zero_shot_image_classification)
