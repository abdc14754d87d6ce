"""What servers send, byte for byte, and the tables that tests run through."""

from pathlib import Path

FOLDER = Path(__file__).parent
CONTENT_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".sse": "text/event-stream",
    ".txt": "text/plain; charset=utf-8",
}


def wire(name: str) -> bytes:
    """Return a sample by its path in this folder, such as `tgi/loading.json`."""
    return (FOLDER / name).read_bytes()


def refusal(name: str, status: int, **headers: str) -> tuple[str, int, dict[str, str], bytes]:
    """Return a row of REFUSALS; underscores in header names stand for hyphens."""
    sample = FOLDER / name
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return f"{sample.stem}-{status}", status, {"content-type": CONTENT_TYPES[sample.suffix]} | sent, wire(name)


# id, status, headers, body
REFUSALS: list[tuple[str, int, dict[str, str], bytes]] = [
    refusal("tgi/loading.json", 503),
    refusal("tgi/loading.json", 200),
    refusal("tgi/pro_required.json", 400),
    refusal("tgi/model_kwargs.json", 400),
    refusal("tgi/error_list.json", 400),
    refusal("tgi/paused.txt", 400),
    refusal("tgi/not_json.txt", 400),
    refusal("tgi/no_provider.json", 400),
    refusal("tgi/chat_only.json", 400),
    refusal("tgi/bad_password.json", 401, x_request_id="Root=1-65f0a1b2-1234567890abcdef12345678"),
    refusal("tgi/bad_token.json", 401),
    refusal("tgi/empty.txt", 401),
    refusal("tgi/credits.json", 402),
    refusal("tgi/too_large.json", 403),
    refusal("tgi/no_permission.json", 403),
    refusal("tgi/gated.json", 403, x_error_code="GatedRepo", x_error_message="Access to model is restricted"),
    refusal("tgi/gated.json", 401, x_error_code="GatedRepo", x_error_message="Access to model is restricted"),
    refusal("tgi/no_model.json", 404, x_inference_id="inference-1"),
    refusal("tgi/detail.json", 404),
    refusal("tgi/too_long.txt", 413),
    refusal("tgi/wrong_content_type.txt", 415),
    refusal("tgi/validation.json", 422),
    refusal("tgi/wrong_type.txt", 422),
    refusal("tgi/missing_field.txt", 422),
    refusal("tgi/detail_list.json", 422),
    refusal("tgi/template.json", 422),
    refusal("tgi/template_variable.json", 422),
    refusal("tgi/tool.json", 422),
    refusal("tgi/suffix.json", 422),
    refusal("tgi/batch.json", 422),
    refusal("tgi/chat_error.json", 422),
    refusal("tgi/generation.json", 424),
    refusal("tgi/overloaded.json", 429),
    refusal(
        "tgi/rate_limit.json",
        429,
        retry_after="55",
        ratelimit='"api";r=0;t=55',
        ratelimit_policy='"fixed window";"api";q=500;w=300',
    ),
    refusal("tgi/too_busy.json", 500),
    refusal("tgi/too_busy_120.json", 500),
    refusal("tgi/crash_with_warnings.json", 500),
    refusal("tgi/incomplete.json", 500),
    refusal("tgi/incomplete_stream.json", 500),
    refusal("tgi/serialization.json", 500),
    refusal("tgi/nested_error.json", 500),
    refusal("tgi/null_error.json", 500),
    refusal("tgi/string.json", 500),
    refusal("tgi/half.json", 500),
    refusal("tgi/latin1.txt", 500),
    refusal("tgi/bad_gateway.html", 502),
    refusal("tgi/unhealthy.json", 503),
    refusal("tgi/problem.json", 503, content_type="application/problem+json"),
    refusal("tgi/message.json", 504),
    refusal("tgi/gateway_timeout.html", 504, x_amz_cf_id="cloudfront-1"),
    refusal("tgi/validation.json", 200),
]

# sample, `generated_text`, whether it has details
ANSWERS: list[tuple[str, str, bool]] = [
    ("tgi/generate.json", " Deep learning is a subset of machine learning", False),
    ("tgi/generate_details.json", " Deep learning", True),
    ("tgi/generate_best_of.json", " Deep learning", True),
    ("tgi/generate_nulls.json", " Deep learning", True),
    ("tgi/generate_t5.json", "to 4", True),
    ("tgi/serverless.json", "What is Deep Learning? Deep learning is a subset of machine learning", False),
    ("tgi/serverless_details.json", "What is Deep Learning? Deep learning", True),
]

# sample, texts of its tokens, `generated_text` at its end
STREAMS: list[tuple[str, tuple[str, ...], str]] = [
    ("tgi/stream.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_details.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_length.sse", (" Deep", " learning"), " Deep learning"),
    ("tgi/stream_1_4.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_1_3.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_top_tokens.sse", (" Deep", " learning"), " Deep learning"),
    ("tgi/stream_comments.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_crlf.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_cr.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_bom.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_fields.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_data_lines.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_done.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_done_1_4.sse", (" Deep", " learning", "</s>"), " Deep learning"),
    ("tgi/stream_separators.sse", ("a\u2028b", "c\u2029d", "e\x85f"), "a\u2028bc\u2029de\x85f"),
    ("tgi/stream_emoji.sse", ("", "", "", "🐦", " né"), "🐦 né"),
    ("tgi/stream_escapes.sse", ("🐦", " né", '\n"\\'), '🐦 né\n"\\'),
    ("tgi/stream_special_inside.sse", (" Deep", "<s>", " learning"), " Deep learning"),
    ("tgi/stream_full_text.sse", (" Deep", " learning"), "What is it? Deep learning"),
    ("tgi/stream_t5.sse", (" ", "to", " 4", "</s>"), "to 4"),
    ("tgi/stream_unterminated.sse", (" Deep", " learning", "</s>"), " Deep learning"),
]

# sample, texts of the tokens before it fails, `error_type` where one is told
BROKEN_STREAMS: list[tuple[str, tuple[str, ...], str | None]] = [
    ("tgi/stream_cut.sse", (" Deep", " learning"), None),
    ("tgi/stream_cut_inside.sse", (" Deep",), None),
    ("tgi/stream_broken_json.sse", (" Deep",), None),
    ("tgi/stream_refused.sse", (), "validation"),
    ("tgi/stream_refused_1_4.sse", (), "validation"),
    ("tgi/stream_overloaded.sse", (), "overloaded"),
    ("tgi/stream_failed.sse", (" Deep", " learning"), "generation"),
    ("tgi/stream_incomplete.sse", (" Deep", " learning"), "incomplete_generation_stream"),
    ("tgi/stream_chat_error.sse", (), None),
]
