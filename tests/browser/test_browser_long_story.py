"""A story of a novel's length: the page holds what is near the screen, and the writer does not notice."""

import pytest

CHAPTERS, PARAGRAPHS = 24, 90
HEARD = "Anna walked slowly along the river towards the old mill, and the water was loud beside her in the {n} night."


def chapter(number):
    lines = [f"# Chapter {number}"]
    for index in range(PARAGRAPHS):
        place = f"{number} and {index}"
        lines.append(f"At mark {place} stood nothing. " + HEARD.format(n=f"{index}th"))
    if number == CHAPTERS - 2:
        lines[PARAGRAPHS // 2] = "Quentin opened the gate of the castle. Quentin laughed."
    return "\n\n".join(lines)


TEXT = "\n\n".join(map(chapter, range(1, CHAPTERS + 1))) + "\n"
COPY = """() => {
  const clipboardData = new DataTransfer();
  const copy = new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true });
  document.querySelector(".manuscript").dispatchEvent(copy);
  return clipboardData.getData("text/plain");
}"""
# The first line that is seen whole, and how far below the top of the text it stands.
TOP_LINE = """() => {
  const box = document.querySelector(".manuscript").getBoundingClientRect();
  for (const each of document.querySelectorAll(".manuscript p")) {
    const { top } = each.getBoundingClientRect();
    if (top >= box.top) return [each.textContent, top - box.top];
  }
}"""
SEEN = """() => {
  const box = document.querySelector(".manuscript").getBoundingClientRect();
  const found = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return found.closest(".manuscript p")?.textContent ?? "";
}"""
FRAMES = "(count) => new Promise((go) => { const on = () => count-- > 0 ? requestAnimationFrame(on) : go(); on(); })"


@pytest.fixture(scope="module")
def novel(served):
    assert len(TEXT.split()) > 60_000
    return served.new_story(TEXT, "A novel", read=False)


@pytest.fixture
def page(here, novel):
    page = here.goto(f"/story/{novel}")
    page.get_by_test_id("manuscript").get_by_text("# Chapter 1", exact=True).wait_for()
    return page


def held(page):
    """How many characters the page holds."""
    return len(page.get_by_test_id("manuscript").text_content())


def frames(page, count=3):
    page.evaluate(FRAMES, count)


def scroll(page, part):
    page.get_by_test_id("manuscript").evaluate("(it, part) => { it.scrollTop = part * it.scrollHeight; }", part)
    frames(page, 2)


def saved(page):
    page.get_by_test_id("save-status").get_by_text("Saved", exact=True).wait_for()


def test_the_first_words_are_there_and_the_rest_is_not_in_the_page(page):
    assert "At mark 1 and 0 stood" in page.get_by_test_id("manuscript").text_content()
    assert held(page) < len(TEXT) / 5
    assert page.get_by_test_id("manuscript").evaluate("(it) => it.scrollHeight") > 50_000


def test_text_is_there_wherever_one_scrolls_and_can_be_typed_into(page, served, novel):
    for part in (0.9, 0.2, 0.7, 0.5):
        scroll(page, part)
        assert "At mark" in page.evaluate(SEEN)
        assert held(page) < len(TEXT) / 5
    before = served.text(novel)
    words = page.evaluate(SEEN)
    page.get_by_test_id("manuscript").get_by_text(words, exact=True).click()
    page.keyboard.press("Home")
    page.keyboard.type("Whale, ")
    saved(page)
    changed = served.text(novel)
    assert changed.replace("Whale, ", "") == before
    assert changed.count("Whale, ") == 1
    # Far from the caret, the next key is still typed where the caret is, and comes into sight.
    scroll(page, 0.05)
    page.keyboard.type("oh, ")
    saved(page)
    assert "Whale, oh, " in served.text(novel)
    frames(page)
    assert "Whale, oh, " in page.get_by_test_id("manuscript").text_content()
    page.get_by_test_id("undo").click()
    saved(page)


def test_all_of_it_can_be_selected_copied_and_cut(page, served, novel):
    text = served.text(novel)
    page.get_by_test_id("manuscript").click()
    page.keyboard.press("Control+a")
    assert page.evaluate(COPY) == text.strip()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+Shift+End")
    assert page.evaluate(COPY) == text.strip()
    assert held(page) < len(TEXT) / 4
    page.keyboard.press("Delete")
    saved(page)
    assert served.text(novel) == ""
    page.keyboard.press("Control+z")
    page.get_by_test_id("manuscript").get_by_text(f"At mark {CHAPTERS} and {PARAGRAPHS - 1} stood").wait_for()
    saved(page)
    assert served.text(novel) == text


def test_keys_go_to_the_end_and_on_from_there(page, served, novel):
    page.get_by_test_id("manuscript").click()
    page.keyboard.press("Control+End")
    frames(page, 5)
    last = page.get_by_test_id("manuscript").get_by_text(f"At mark {CHAPTERS} and {PARAGRAPHS - 1} stood")
    box, frame = last.bounding_box(), page.get_by_test_id("manuscript").bounding_box()
    assert frame["y"] <= box["y"]
    assert box["y"] + box["height"] <= frame["y"] + frame["height"]
    page.keyboard.type(" The end.")
    for _ in range(12):
        page.keyboard.press("PageUp")
        frames(page, 2)
        assert "At mark" in page.evaluate(SEEN)
    page.keyboard.type("Up ")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.type("First. ")
    saved(page)
    text = served.text(novel)
    assert text.rstrip().endswith(" The end.")
    assert "\n\nFirst. At mark 1 and 0 stood" in text
    up = text.index("Up ")
    assert 0.8 < up / len(text) < 0.998


def test_the_caret_goes_over_every_border_line_by_line(page):
    page.get_by_test_id("manuscript").click()
    page.keyboard.press("Control+Home")
    place = "() => getSelection().focusNode.parentElement.closest('p')?.textContent"
    seen = []
    lines = 240
    for _ in range(lines):
        page.keyboard.press("ArrowDown")
        words = page.evaluate(place)
        if not seen or seen[-1] != words:
            seen.append(words)
    marks = [each for each in seen if "At mark" in each]
    expected = [f"At mark {1 + index // PARAGRAPHS} and {index % PARAGRAPHS} " for index in range(len(marks))]
    assert len(marks) > 70  # over more than one border of what comes and goes together
    assert all(mark in words for words, mark in zip(marks, expected, strict=True))
    for _ in range(lines):
        page.keyboard.press("ArrowUp")
    assert page.evaluate(place) == "# Chapter 1"


def test_the_find_key_and_the_printer_have_all_of_it_until_the_next_key(page):
    page.get_by_test_id("manuscript").click()
    page.keyboard.press("Control+f")
    assert held(page) > 0.95 * len(TEXT)
    assert page.evaluate("() => find('Quentin laughed')")
    page.keyboard.press("Escape")
    page.get_by_test_id("manuscript").click()
    page.keyboard.type("x")
    page.wait_for_function("() => document.querySelector('.manuscript').textContent.length < 200000")
    page.keyboard.press("Backspace")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert held(page) > 0.95 * len(TEXT)
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert held(page) < len(TEXT) / 4
    saved(page)


def test_nothing_jumps_on_the_way_up(page):
    scroll(page, 0.6)
    page.wait_for_timeout(600)
    box = page.get_by_test_id("manuscript").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown = page.evaluate(TOP_LINE)
    for _ in range(80):
        page.mouse.wheel(0, -250)
        frames(page, 3)
        found = page.get_by_test_id("manuscript").evaluate(
            """(it, words) => {
              const p = [...it.querySelectorAll("p")].find((each) => each.textContent === words);
              return p === undefined ? null : p.getBoundingClientRect().top - it.getBoundingClientRect().top;
            }""",
            shown[0],
        )
        assert found is not None, shown
        assert -1 <= found - shown[1] <= 251, (shown, found)
        shown = page.evaluate(TOP_LINE)


def test_the_palette_goes_to_what_is_far_away(here, served, novel):
    served.call("GET", f"/api/stories/{novel}/extraction?wait=true")
    page = here.story(novel)
    page.get_by_test_id("manuscript").click()
    page.keyboard.press("Control+k")
    page.get_by_test_id("palette-input").fill("go to Quentin")
    page.keyboard.press("Enter")
    line = page.get_by_test_id("manuscript").get_by_text("Quentin opened the gate")
    line.wait_for()
    page.wait_for_timeout(700)
    box, frame = line.bounding_box(), page.get_by_test_id("manuscript").bounding_box()
    assert frame["y"] < box["y"] < frame["y"] + 0.6 * frame["height"]
    assert held(page) < len(TEXT) / 4
    page.keyboard.type("Now ")
    saved(page)
    assert "Now Quentin opened the gate" in served.text(novel)
