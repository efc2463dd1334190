"""Answers of a server that speaks the OpenAI chat completions protocol, and what it was asked."""

import json


def said(content, finish="stop"):
    """A chat completion whose message is `content`."""
    body = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]}
    body["usage"] = {"prompt_tokens": 7, "completion_tokens": 3}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def written(text):
    """The answer to an edit."""
    return said(json.dumps({"text": text}))


def asked(body):
    """The request in a body: its last message is one JSON object."""
    assert body["messages"][-1]["role"] == "user"
    return json.loads(body["messages"][-1]["content"])
