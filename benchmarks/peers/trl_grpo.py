"""TRL's GRPO trainer on a given model folder and problems; run by `posttrain_trl.py` in TRL's own environment.

Prints one JSON object: after every `evaluate_every` steps the seconds of training so far (evaluation left out), CPU
seconds likewise, samples, and greedy accuracy on the validation problems.
"""

import argparse
import json
import sys
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "problems", "out"):
        arguments.add_argument(f"--{name}", required=True)
    for name, default in (("steps", 160), ("evaluate-every", 8), ("seed", 0), ("threads", 2), ("max-tokens", 6)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    arguments.add_argument("--learning-rate", type=float, default=3e-4)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    with open(given.problems, encoding="utf-8") as file:  # noqa: PTH123
        problems = json.load(file)
    tokenizer = AutoTokenizer.from_pretrained(given.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)

    def reward(completions: list[str], answer: list[str], **_: object) -> list[float]:
        return [float(text.strip() == right) for text, right in zip(completions, answer, strict=True)]

    class Watch(TrainerCallback):
        """Stops the clock while it grades."""

        def __init__(self) -> None:
            self.points: list[dict[str, float]] = []
            self.wall = self.cpu = 0.0

        def start(self) -> None:
            self.began, self.cpu_began = time.perf_counter(), time.process_time()

        def on_train_begin(self, args, state, control, **_):
            self.start()

        def on_step_end(self, args, state, control, **_):
            self.wall += time.perf_counter() - self.began
            self.cpu += time.process_time() - self.cpu_began
            if state.global_step % given.evaluate_every == 0 or state.global_step == given.steps:
                self.points.append(
                    {
                        "step": state.global_step,
                        "seconds": self.wall,
                        "cpu_seconds": self.cpu,
                        "samples": 256 * state.global_step,
                        "accuracy": greedy(),
                    }
                )
                print(self.points[-1], file=sys.stderr, flush=True)
            self.start()

    @torch.inference_mode()
    def greedy() -> float:
        model.eval()
        asked = [p["prompt"] for p in problems["validation"]]
        inputs = tokenizer(asked, return_tensors="pt", padding=True)
        written = model.generate(**inputs, do_sample=False, max_new_tokens=given.max_tokens)
        texts = tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        model.train()
        return sum(text.strip() == p["answer"] for text, p in zip(texts, problems["validation"], strict=True)) / len(
            asked
        )

    watch = Watch()
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=reward,
        train_dataset=Dataset.from_list(problems["train"]),
        args=GRPOConfig(
            output_dir=given.out,
            max_steps=given.steps,
            per_device_train_batch_size=256,
            num_generations=8,
            max_completion_length=given.max_tokens,
            temperature=1.0,
            learning_rate=given.learning_rate,
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            seed=given.seed,
            logging_steps=50,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        callbacks=[watch],
    )
    trainer.train()
    print(json.dumps({"points": watch.points}))


if __name__ == "__main__":
    main()
