"""Asks a server with TGI's own Python client: calls come as JSON on stdin, answers leave as JSON on stdout."""

import json
import sys

from text_generation import Client


def asked(client: Client, prompt: str, options: dict[str, object], *, stream: bool) -> object:
    """Return the answer of one call, or the name and the words of its error."""
    try:
        if stream:
            return [step.model_dump(mode="json") for step in client.generate_stream(prompt, **options)]
        return client.generate(prompt, **options).model_dump(mode="json")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    calls, client = json.load(sys.stdin), Client(sys.argv[1])
    json.dump([asked(client, *call, stream=stream) for stream in (False, True) for call in calls], sys.stdout)
