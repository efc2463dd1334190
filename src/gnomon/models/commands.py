"""`gnomon sample`: look at what a model writes."""

from typing import Annotated

import typer


def sample(
    checkpoint: Annotated[str, typer.Argument(help="A model folder, a run, or a hub id.")],
    prompt: Annotated[str, typer.Option(help="The text to answer.")],
    n: Annotated[int, typer.Option(min=1, help="How many answers.")] = 4,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token each time.")] = 1.0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most this many tokens an answer.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Draw answers from a model and show each with its log-probability.

    Example: gnomon sample runs/quickstart --prompt '123*4=' --n 4
    """
    import json

    from gnomon.errors import UserError
    from gnomon.models.policy import Policy

    policy = Policy.load(checkpoint)
    room = policy.context - len(policy.encode(prompt))
    if room < 1:
        raise UserError(
            f"The prompt has {len(policy.encode(prompt))} tokens and the model's context is {policy.context};"
            " a shorter prompt leaves room for an answer."
        )
    tokens = max_tokens if max_tokens is not None else min(256, room)
    samples = policy.sample([prompt], n, max_tokens=tokens, temperature=temperature, seed=seed)
    rows = [
        {
            "text": policy.decode(sample.token_ids),
            "log_prob": sum(sample.log_probs),
            "tokens": len(sample.token_ids),
            "finish_reason": sample.finish_reason,
        }
        for sample in samples
    ]
    if as_json:
        print(json.dumps({"checkpoint": checkpoint, "prompt": prompt, "seed": seed, "samples": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("answer", "log-probability", "tokens", "ended by")
    for row in rows:
        table.add_row(str(row["text"]), f"{row['log_prob']:.3f}", str(row["tokens"]), str(row["finish_reason"]))
    Console().print(table)
