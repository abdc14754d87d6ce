"""Files of the hub, from its cache or fetched, with nbinfer's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbinfer.errors import ConnectionFailedError, GatedError, InferError, ModelNotFoundError, api_error

TIMEOUT = 10
"""Seconds without an answer after which the hub counts as not reached."""


def fetched(repository: str, path: str) -> Path:
    """Return where one file of a hub repository lies after it has been fetched."""
    from huggingface_hub import hf_hub_download

    with hub_errors(repository):
        return Path(hf_hub_download(repository, path, etag_timeout=TIMEOUT))


@contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """Say what went wrong with the hub in nbinfer's own exceptions."""
    from huggingface_hub import errors

    try:
        yield
    except InferError:
        raise
    except errors.GatedRepoError as error:
        raise GatedError(f"{repository} is gated", status=403, url=_url(error)) from None
    except errors.RepositoryNotFoundError:
        hint = "Check the name. A private model needs a token that may read it: `hf auth login`, or HF_TOKEN."
        raise ModelNotFoundError(f"the hub has no model called {repository}", hint=hint) from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise _unreached(repository, error) from None
    except errors.HFValidationError:
        raise ModelNotFoundError(f"`{repository}` is no folder and no name of a hub repository") from None
    except errors.HfHubHTTPError as error:
        response = error.response
        refusal = str(error).encode() if response is None else response.content
        status = 0 if response is None else response.status_code
        raise api_error(status, refusal, url=_url(error)) from None
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # that of the HTTP library, whichever it is
        raise _unreached(repository, error) from None
    except (RuntimeError, getattr(errors, "XetDownloadError", RuntimeError)) as error:
        # What hf_xet raises, the hub's own protocol for large files; huggingface_hub 2 gave it a name.
        raise _unreached(repository, error) from None
    except OSError as error:
        hint = "HF_HOME names another folder for the cache."
        raise InferError(f"{repository} could not be stored: {error}", hint=hint) from None


def _unreached(repository: str, error: Exception) -> ConnectionFailedError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    hint = "Connect to the internet once to fetch it; from then on it needs none. `-m local` needs none at all."
    return ConnectionFailedError(f"{repository} is not in the cache, and the hub was not reached: {reason}", hint=hint)


def _url(error: Any) -> str:
    return str(error.response.url) if error.response is not None else ""
