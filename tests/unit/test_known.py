from click.testing import CliRunner

from nbinfer.catalogue import known
from nbinfer.cli import commands
from nbinfer.infilling import infill_of
from nbinfer.known import KNOWN, too_long
from nbinfer.services import locate
from nbinfer.tasks import TASKS
from nbinfer.templates import TEMPLATES, form_of


def test_known_models_are_what_can_be_asked() -> None:
    """Each is named once, by a hub id, with a task and a template that are ours."""
    assert len({model.id for model in KNOWN}) == len(KNOWN)
    for model in KNOWN:
        assert locate(model.id)[0].name == "hugging_face"
        assert model.task in TASKS
        assert model.template in {"", *TEMPLATES}
        assert bool(model.context) == (model.task != "text-to-image")


def test_the_posts_models_are_known() -> None:
    """Whoever follows the Hugging Face post finds its models."""
    named = " ".join(model.id for model in KNOWN)
    for part in ("Llama-2-70b-chat", "CodeLlama-7b-hf", "CodeLlama-34b-Instruct", "stable-diffusion-xl-base-1.0"):
        assert part in named


def test_known_models_have_the_forms_of_their_names() -> None:
    """The template of a chat model and the markers of a code model are those that a call to it uses."""
    for model in KNOWN:
        assert (form_of(model.id) or "") == model.template
        form = infill_of(model.id)
        assert (" ".join(form.markers) if form else "") == model.infill


def test_known_models_are_a_table() -> None:
    """They can be listed as data, and in a terminal."""
    frame = known()
    assert frame.loc["meta-llama/Llama-2-7b-chat-hf", "context"] == 4096
    assert frame.loc["codellama/CodeLlama-7b-hf", "stop"] == "<EOT>"
    assert "codellama/CodeLlama-7b-hf" in CliRunner().invoke(commands, ["models", "--known"]).output


def test_a_prompt_that_hardly_fits_is_remarked_on() -> None:
    """Where the context of a model is known, a prompt too long for it gets a word; nothing is refused."""
    model = "meta-llama/Llama-2-7b-chat-hf"
    assert too_long(model, "a" * 4 * 3000, 1000) == ""
    assert too_long(f"{model}:together", "a" * 4 * 4000, 1000) == (
        f"about 4,000 tokens were sent and 1,000 wanted: {model}:together holds 4,096"
    )
    assert too_long("org/unknown", "a" * 10**6, 1000) == ""
