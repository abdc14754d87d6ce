import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from protocol.tgi import Server

from nbinfer import doctor, login
from nbinfer.cli import commands
from nbinfer.keys import masked

KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path, tgi: Server) -> None:
    """Let Hugging Face be the look-alike, and its files an empty folder."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))


def test_the_doctor_says_what_is_there(tgi: Server) -> None:
    """The embedded model writes, addresses are tried, and a key that is missing says how to get one."""
    rows = doctor()
    assert rows.loc["embedded model", "fine"]
    assert rows.loc["embedded model", "found"].startswith("local/text wrote 8 tokens")
    assert rows.loc["Hugging Face's models", "found"] == f"{tgi.url} answers"
    assert rows.loc["Hugging Face's hub", "found"].startswith("cannot connect to 127.0.0.1:1")
    assert not rows.loc["Hugging Face token", "fine"]
    assert "nbinfer.login()" in rows.loc["Hugging Face token", "found"]


def test_the_doctor_shows_whose_key_it_is_and_not_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """The key that is found is named by its end and its place: a variable, or the file."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    assert doctor().loc["Hugging Face token", "found"] == "hf_…6789 from HF_TOKEN"
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(KEY)
    assert doctor().loc["Hugging Face token", "found"] == f"hf_…6789 from {tmp_path / 'token'}"
    assert KEY not in CliRunner().invoke(commands, ["doctor"]).output


def test_no_key_is_sent_by_the_doctor(monkeypatch: pytest.MonkeyPatch, tgi: Server) -> None:
    """What can be reached is tried without the key."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    doctor()
    assert tgi.requests
    assert all("authorization" not in request.headers for request in tgi.requests)


@given(st.text(max_size=60))
def test_a_masked_key_is_no_key(key: str) -> None:
    """At most the kind and the last four letters are shown, and those only of a key that is long."""
    shown = masked(key)
    assert len(shown.replace("…", "")) <= 8
    if len(key) < 12:
        assert shown in ("…", f"{key.partition('_')[0]}_…")


def test_a_token_that_is_refused_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nbinfer login` says what huggingface_hub said, without a stack and without the token."""
    ran = CliRunner().invoke(commands, ["login", "--token", "api_org_secretsecret"])
    assert ran.exit_code == 1
    assert ran.output.startswith("Error: ")
    assert "secretsecret" not in ran.output
    with pytest.raises(ValueError, match="organization"):
        login("api_org_secretsecret")
