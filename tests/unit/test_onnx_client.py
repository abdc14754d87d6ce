"""ONNX models through the client and the catalogue, as a user names them."""

import numpy as np
import pytest

import nbinfer
from nbinfer import InferenceClient, catalogue, local
from nbinfer.errors import MissingExtraError, ModelNotFoundError, UnsupportedTaskError

pytest.importorskip("onnx", reason="onnx is not installed: graphs cannot be made")

import onnx_models as made

TEXTS = ["hello world", "a small test", "hello again"]
client = InferenceClient()


@pytest.fixture(autouse=True)
def _forget():
    """Load anew in each test, and leave nothing loaded."""
    local.release()
    yield
    local.release()


def test_a_folder_is_a_model(tmp_path):
    """`local/<folder>` runs the model in a folder, the same one for every call until it is released."""
    folder = made.write_encoder(tmp_path / "sentences", "BertModel")
    vectors = client.feature_extraction(TEXTS, model=f"local/{folder}")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    model = local.load(str(folder), "text-embedding")
    assert local.load(str(folder), "text-embedding") is model
    np.testing.assert_array_equal(model.embed(TEXTS), vectors)
    local.release()
    assert local.load(str(folder), "text-embedding") is not model


def test_a_model_of_another_task_is_refused(tmp_path):
    """A folder with a sentence encoder generates nothing, whether or not it has been loaded before."""
    name = f"local/{made.write_encoder(tmp_path / 'sentences', 'BertModel')}"
    for _ in range(2):
        with pytest.raises(UnsupportedTaskError) as refused:
            client.text_generation("hello", model=name)
        assert "text-embedding" in str(refused.value)
        client.feature_extraction("hello", model=name)


def test_no_such_folder_or_model():
    """A path that is not there and a word that is no model are refused at once, without a network."""
    for name in ("local/no/such/folder", "local/nothing"):
        with pytest.raises(ModelNotFoundError):
            client.feature_extraction("hello", model=name)


def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch):
    """Where onnxruntime is not installed, the error is the command that installs it."""
    import sys

    folder = made.write_encoder(tmp_path / "sentences", "BertModel")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as refused:
        client.feature_extraction("hello", model=f"local/{folder}")
    assert refused.value.hint == "pip install 'nbinfer[onnx]'"


def test_embedded_models_need_not_be_fetched():
    """Fetching ahead what is in the package does nothing; the list needs no onnxruntime."""
    assert catalogue.fetch("local/text") == "local/text"
    assert list(nbinfer.models().columns) == ["task", "MB", "licence", "where", "about"]
