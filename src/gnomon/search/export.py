"""The winner of a search over decoder language models as an ordinary `transformers` folder.

Its weights are fresh and follow from a seed, also where the search trained the winner: trainings there are short and
meant for comparison.
"""

import os
import shutil
from pathlib import Path

from gnomon.errors import UserError
from gnomon.runs import open_run


def export(run_folder: str | Path, to: str | Path, *, seed: int = 0) -> Path:
    """Write the winner of the finished run in `run_folder` to the new folder `to`; returns it.

    The folder has a config, safetensors weights, and the tokenizer of bytes where the vocabulary holds its tokens, so
    that `Policy.load` and `AutoModelForCausalLM.from_pretrained` load it. It appears whole or not at all. Raises
    UserError for a run that is not there, has no winner, or searched another space, and where `to` is not empty.
    """
    from gnomon.models.tokenizers import byte_tokenizer
    from gnomon.search import spaces
    from gnomon.search.spaces.decoder_lm import DecoderLM

    run = open_run(run_folder)
    settings = run.settings.get("space")
    if not isinstance(settings, dict):
        raise UserError(
            f"{str(run.path)!r} is no search of a space; a finished run of gnomon search run over"
            " decoder-lm is expected."
        )
    space = spaces.get(settings["name"], **settings.get("options", {}))
    if not isinstance(space, DecoderLM):
        raise UserError(
            f"{str(run.path)!r} searched the space {settings['name']!r}; only architectures of decoder-lm"
            " can be exported."
        )
    winner = (run.summary() or {}).get("winner")
    if winner is None:
        raise UserError(f"{str(run.path)!r} has no winner: it is {run.state}; a finished search is expected.")
    target = Path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{str(target)!r} exists already and is not an empty folder; a new one is expected.")
    model = space.build(space.decode(winner), seed=seed)
    tokenizer = byte_tokenizer()
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if len(tokenizer) <= space.vocab_size:
            for config in (model.config, model.generation_config):
                config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
            tokenizer.save_pretrained(making)
        model.save_pretrained(making)
        if target.exists():
            target.rmdir()
        making.rename(target)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return target
