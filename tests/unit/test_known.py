from click.testing import CliRunner

from nbinfer.catalogue import known
from nbinfer.cli import commands
from nbinfer.known import KNOWN
from nbinfer.services import locate
from nbinfer.tasks import TASKS
from nbinfer.templates import TEMPLATES


def test_known_models_are_what_can_be_asked() -> None:
    """Each is named once, by a hub id, with a task and a template that are ours."""
    assert len({model.id for model in KNOWN}) == len(KNOWN)
    for model in KNOWN:
        assert locate(model.id)[0].name == "hugging_face"
        assert model.task in {*TASKS, "text-to-image"}
        assert model.template in {"", *TEMPLATES}
        assert bool(model.context) == (model.task != "text-to-image")


def test_the_posts_models_are_known() -> None:
    """Whoever follows the Hugging Face post finds its models."""
    named = " ".join(model.id for model in KNOWN)
    for part in ("Llama-2-70b-chat", "CodeLlama-7b-hf", "CodeLlama-34b-Instruct", "stable-diffusion-xl-base-1.0"):
        assert part in named


def test_known_models_are_a_table() -> None:
    """They can be listed as data, and in a terminal."""
    frame = known()
    assert frame.loc["meta-llama/Llama-2-7b-chat-hf", "context"] == 4096
    assert frame.loc["codellama/CodeLlama-7b-hf", "stop"] == "<EOT>"
    assert "codellama/CodeLlama-7b-hf" in CliRunner().invoke(commands, ["models", "--known"]).output
