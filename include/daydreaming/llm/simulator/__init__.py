"""An OpenAI-compatible server that invents its answers, for tests and benchmarks; used only by name.

Every decision is a pure function of the seed, the model, the prompt and the attempt, so a test can
predict what the server will say: ``fault_for``, ``answer_for``, ``score_for``, ``latency_for``.
Start it with ``python -m daydreaming.llm.simulator`` or, from Python, with ``SimulatorProcess``.
"""

from daydreaming.llm.simulator.behaviour import Fault, SimulatorConfig, fault_for, latency_for
from daydreaming.llm.simulator.process import SimulatorProcess
from daydreaming.llm.simulator.texts import answer_for, estimate_tokens, score_for
from daydreaming.llm.simulator.wire import prompt_of

__all__ = [
    "Fault",
    "SimulatorConfig",
    "SimulatorProcess",
    "answer_for",
    "estimate_tokens",
    "fault_for",
    "latency_for",
    "prompt_of",
    "score_for",
]
