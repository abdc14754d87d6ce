import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import peer
from hypothesis import settings
from protocol.tgi import Server

OURS = ("NBINFER_HF_BASE", "NBINFER_MODEL_MAP")
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_OIDC_RESOURCE", "HF_HUB_DISABLE_IMPLICIT_TOKEN")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

# Other programs share the cores of the machine that tests: how long an example takes says nothing.
settings.register_profile("nbinfer", deadline=None, max_examples=100)
settings.load_profile("nbinfer")


def pytest_configure(config: pytest.Config) -> None:
    """Give Hugging Face a home of its own before huggingface_hub, which reads it when imported, is there."""
    config.addinivalue_line("markers", "needs(program): skipped without it, failed where NBINFER_REQUIRE names it")
    home = tempfile.TemporaryDirectory(prefix="nbinfer-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ["HF_HOME"] = home.name


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what a bare machine cannot run, with the reason; fail it where it must run."""
    for mark in item.iter_markers("needs"):
        (program,) = mark.args
        if shutil.which(program) is None and not peer(program).exists():
            required = program in os.environ.get("NBINFER_REQUIRE", "").split(",")
            (pytest.fail if required else pytest.skip)(f"{program} is not installed")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Name a folder for each test, which exists when something is put there."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Hide tokens, proxies and settings of the machine; keep files of our own in a folder of the test."""
    for name in (*OURS, *TOKENS, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NBINFER_HOME", str(next(homes)))


@pytest.fixture(scope="session")
def tgi_session() -> Iterator[Server]:
    """Run one TGI look-alike for all tests."""
    with Server() as server:
        yield server


@pytest.fixture
def tgi(tgi_session: Server) -> Server:
    """Return the TGI look-alike, which has forgotten all other tests."""
    tgi_session.clear()
    return tgi_session
