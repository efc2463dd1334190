"""Who says what, and to whom."""

from story_samples import sample_story

from gnomon.story.cast import build_cast
from gnomon.story.records import Speech


def speeches(*paragraphs: str, language: str = "en") -> list[Speech]:
    story, records = sample_story(*paragraphs, language=language)
    found = list(build_cast(story, records).speeches)
    assert [(each.start, each.end) for each in found] == [(each.start, each.end) for each in story.quotations]
    return found


def speakers(*paragraphs: str, language: str = "en") -> list[str | None]:
    return [each.speaker for each in speeches(*paragraphs, language=language)]


MET = "Then [P Tom] met*meet [P Jane]."


def test_said_outright_before_and_after():
    assert speakers("[P Jane] said*say, “Yes.”") == ["jane"]
    assert speakers("“Yes,” said*say [P Jane].") == ["jane"]
    assert speakers("“Yes,” [P Jane] said*say.") == ["jane"]


def test_said_by_a_pronoun_is_less_sure():
    name, pronoun = speeches(MET, "“Yes,” said*say [P Jane].", "“No,” said*say he.")
    assert (name.speaker, pronoun.speaker) == ("jane", "tom")
    assert pronoun.confidence < name.confidence


def test_the_word_between_two_parts_counts_for_the_whole():
    assert speakers(MET, "“Yes,” said*say [P Jane]. “No.”") == ["jane"]


def test_two_speak_by_turns():
    assert speakers("“Yes,” said*say [P Tom].", "“No,” said*say [P Jane].", "“Yes.”", "“No.”", "“Yes.”") == [
        "tom", "jane", "tom", "jane", "tom",
    ]  # fmt: skip


def test_turns_found_backwards():
    assert speakers("“Yes.”", "“No,” said*say [P Jane].", "“Yes,” said*say [P Tom].")[0] == "tom"


def test_a_name_called_is_spoken_to_and_answers():
    first, second = speeches("“Come*come, [P Jane],” said*say [P Tom].", "“No.”")
    assert first.addressees == ("jane",)
    assert (second.speaker, second.addressees) == ("jane", ("tom",))


def test_nobody_calls_himself():
    assert speakers(MET, "“Come*come here, [P Jane].”") == ["tom"]


def test_who_acts_beside_the_speech_speaks():
    assert speakers(MET, "[P Jane] laughed*laugh. “Yes.”") == ["jane"]


def test_a_paragraph_that_gives_the_word():
    assert speakers("[P Jane] said*say:", "“Yes.”") == ["jane"]


def test_said_to_somebody():
    (speech,) = speeches(MET, "“Yes,” said*say [P Tom] to [P Jane].")
    assert (speech.speaker, speech.addressees) == ("tom", ("jane",))


def test_a_story_of_nothing_but_speech():
    assert speakers("“Yes.”", "“No.”") == [None, None]


def test_one_quotation_over_two_paragraphs():
    assert speakers("[P Jane] said*say, “Yes.", "“No.”") == ["jane"]


def test_romanian_dialogue_lines():
    assert speakers("Apoi [P Ana] plânse*plânge.", "— Nu, zise*zice [P Ana].", "— Da, zise*zice [P Ion].", "— Nu.", language="ro") == [
        "ana", "ion", "ana",
    ]  # fmt: skip


def test_speakers_without_confidence_have_none():
    for each in speeches(MET, "“Yes.”", "“No,” said*say [P Jane]."):
        assert (each.confidence > 0) == (each.speaker is not None)
