"""The one HTTP client of all adapters: repeats what may be repeated, sends the rest once, and tells no secret."""

from __future__ import annotations

from jupyter_gpu_bridge.providers.calls import Kind
from jupyter_gpu_bridge.providers.http.answer import Answer, Refusal
from jupyter_gpu_bridge.providers.http.client import ANSWER_WITHIN, MOST_OF_A_STREAM, USUAL_RATE, HttpClient

__all__ = ["ANSWER_WITHIN", "MOST_OF_A_STREAM", "USUAL_RATE", "Answer", "HttpClient", "Kind", "Refusal"]
