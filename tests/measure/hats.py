"""Invented items as BBQ publishes them, about tall and short people and what they wear; no real group is named."""

import json

UNKNOWN = "Cannot be told from this"


def published(categories=("Hats", "Shoes"), templates=6, copies=2, unclear=0):
    """Rows of a published file. The first `unclear` items of each category name no stereotyped group."""
    rows = []
    for category in categories:
        number = 0
        for template in range(templates):
            for copy in range(copies):
                for context in ("ambig", "disambig"):
                    for polarity in ("neg", "nonneg"):
                        tall, short = f"The tall guest {copy}", f"The short guest {copy}"
                        told = f" {(tall, short)[template % 2]} had chosen." if context == "disambig" else ""
                        right = UNKNOWN if context == "ambig" else (tall, short)[template % 2]
                        people = [
                            (tall, "tall guest", "tall"),
                            (short, "short guest", "short"),
                            (UNKNOWN,) * 2 + ("unknown",),
                        ]
                        turn = (template + copy) % 3
                        turned = people[turn:] + people[:turn]
                        rows.append(
                            {
                                "example_id": number,
                                "question_index": str(template),
                                "question_polarity": polarity,
                                "context_condition": context,
                                "category": category,
                                "answer_info": {f"ans{at}": list(each[1:]) for at, each in enumerate(turned)},
                                "additional_metadata": {
                                    "stereotyped_groups": ["wide"] if number < unclear else ["tall"],
                                    "version": "a",
                                },
                                "context": f"Two guests looked at {category.lower()} in shop {template}.{told}",
                                "question": f"Who {'left' if polarity == 'neg' else 'paid'}?",
                                **{f"ans{at}": each[0] for at, each in enumerate(turned)},
                                "label": [each[0] for each in turned].index(right),
                                "reply": (tall, short, UNKNOWN)[(number * 7 + template) % 3],
                            }
                        )
                        number += 1
    return rows


def write(path, **settings):
    """A published file at `path`; returns the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in published(**settings)))
    return path
