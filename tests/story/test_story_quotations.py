"""Quoted speech: gold cases for every kind of marks, utterances of several parts and paragraphs, and a real novel."""

import gzip
import os
from pathlib import Path

import pytest

from gnomon.story.document import Story

# Parts stand in ⟦ ⟧; parts of one utterance are joined by ~ after the first: ⟦…⟧ he said ~⟦…⟧.
GOLD = """
⟦“I am here,”⟧ he said. She waited.
⟦“I am here,”⟧ he said, ~⟦“and I stay.”⟧
⟦“I am here,”⟧ he said. ~⟦“I stay.”⟧
⟦“Yes,”⟧ said Tom. ⟦“No,”⟧ said Bob.
⟦"Wedlock suits you,"⟧ he remarked. ~⟦"I think, Watson, that you know."⟧
She said: ⟦"Come in!"⟧ and he came.
⟦‘Dinah’ll miss me, I should think!’⟧ (Dinah was the cat.)
⟦‘Well!’⟧ thought Alice, ~⟦‘it’s the dogs’ bone.’⟧
'Tis an old man's hat. ⟦'Come in,'⟧ said he.
It was the boys' room, and the girls' room was next.
⟦“He said ‘no’ to me,”⟧ she cried.
⟦«Cine ești?»⟧ întrebă el.
⟦»Cine ești?«⟧ întrebă el.
⟦«Il a dit «non» hier.»⟧ El tăcu.
⟦„Cine ești?”⟧ întrebă el. ~⟦„Spune!“⟧
— ⟦„Ei bine, spune-mi ce vrei?"⟧
⟦— Da, doamne.⟧
⟦– Vino aici,⟧ zise el.
⟦— Aduceți-mi-l înainte!⟧ porunci Decebal. O îmbulzeală tîri înainte pe un ostaș.
⟦— Vino aici,⟧ zise el, ~⟦și stai jos.⟧
⟦— Vino aici,⟧ zise Ion, plecând capul.
⟦— Vino!⟧ strigă Ana. ~⟦— Vino odată!⟧
⟦— Nu știu,⟧ îi răspunse ea încet.
⟦—Come up, Kinch!⟧ he cried.
The so-called "experts" met at the "Spouter" inn; it was "queer."
He read “Hamlet” twice.
There was a large "E" with a small "g," and a "P."
He is 6'2" tall, and the board is 5" wide.
The man—Jack—came—late.
⟦“Unclosed to the end, he said and left.⟧
No marks here.
""".strip().splitlines()


def marked(story: Story) -> str:
    text = story.text
    for utterance in reversed(story.quotations):
        for index in reversed(range(len(utterance.parts))):
            start, end = utterance.parts[index]
            text = text[:start] + ("~⟦" if index else "⟦") + text[start:end] + "⟧" + text[end:]
    return text


@pytest.mark.parametrize("line", GOLD)
def test_gold_quotations(line: str) -> None:
    story = Story.from_text(line.replace("~⟦", "").replace("⟦", "").replace("⟧", ""))
    assert marked(story) == line
    for utterance in story.quotations:
        assert (utterance.start, utterance.end) == (utterance.parts[0][0], utterance.parts[-1][1])


def test_a_quotation_that_each_paragraph_opens_again_is_one_utterance() -> None:
    text = "“It was late.\n\n“I went out.\n\n“I saw him,” she said.\n\n“Who?”"
    first, second = Story.from_text(text).quotations
    assert [text[start:end] for start, end in first.parts] == ["“It was late.", "“I went out.", "“I saw him,”"]
    assert text[second.start : second.end] == "“Who?”"


def test_an_unclosed_quotation_ends_with_its_paragraph() -> None:
    text = '"Help, he said.\n\nNobody came.\n\n"Why?" she asked.'
    assert [text[each.start : each.end] for each in Story.from_text(text).quotations] == ['"Help, he said.', '"Why?"']


def test_every_dialogue_line_of_a_paragraph_is_an_utterance() -> None:
    text = "El tăcu.\n— Unde te duci?\n— Acasă, zise ea.\n– Bine."
    assert [text[each.start : each.end] for each in Story.from_text(text).quotations] == [
        "— Unde te duci?", "— Acasă,", "– Bine.",
    ]  # fmt: skip


def test_an_edit_in_one_paragraph_keeps_the_quotations_of_the_others() -> None:
    story = Story.from_text("“One.”\n\nTwo.\n\n“Three.”")
    edited = story.edit(8, 12, "“Two,” he said.")
    assert len(edited.quotations) == 3
    assert edited.quotations == Story.from_text(edited.text).quotations


def test_the_speech_of_a_novel() -> None:
    folder = os.environ.get("GNOMON_DATA_DIR")
    path = Path(folder or "", "text/1342_pride_and_prejudice.txt.gz")
    if not folder or not path.exists():
        pytest.skip("needs text/1342_pride_and_prejudice.txt.gz in GNOMON_DATA_DIR")
    text = gzip.decompress(path.read_bytes()).decode()
    story = Story.from_text(text)
    chapter = story.quotations[:6]
    assert [text[each.start : min(each.end, each.start + 24)].replace("\n", " ") for each in chapter] == [
        "“My dear Mr. Bennet,” sa", "“But it is,” returned sh", "“Do you not want to know", "“_You_ want to tell me, ",
        "“Why, my dear, you must ", "“What is his name?”",
    ]  # fmt: skip
    assert len(chapter[0].parts) == 2
    spoken = {place for each in story.quotations for start, end in each.parts for place in range(start, end)}
    # What stands outside speech has no opening mark but for words that are only named.
    outside = sum(place not in spoken for place, character in enumerate(text) if character == "“")
    assert outside <= 20
