"""Renders chat templates with transformers: templates and calls come as JSON on stdin, answers leave on stdout."""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template


def rendered(template: str, messages: list[object], options: dict[str, object]) -> dict[str, str]:
    """Return the text of one call, or the words of its error."""
    try:
        texts, _ = render_jinja_template([messages], chat_template=template, **options)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"error": str(error)}
    return {"text": texts[0]}


if __name__ == "__main__":
    templates, calls = json.load(sys.stdin)
    answers = [[rendered(template, call.pop("messages"), call) for call in map(dict, calls)] for template in templates]
    json.dump(answers, sys.stdout)
