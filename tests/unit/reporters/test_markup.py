"""Whatever a change writes, it is text: it mentions nobody, links to nothing, formats nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeploy.reporters.markup import MARKDOWN, PLAIN, SLACK, Markup, Ready

BOTH = pytest.mark.parametrize("markup", [MARKDOWN, SLACK], ids=["markdown", "slack"])
# What chats and Gerrit act on, in bits that hypothesis puts together.
BITS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "@channel", "@here", "@all", "<!here>", "<!channel>", "<@U024BE7LH>",
                "@<-channel->",
                "http://evil.test", "https://e.test/x?y=z#w", "www.evil.test", "evil.test",
                "[x](http://e.test)", "![i](http://e.test/i.png)", "<http://e.test|ok>", "`", "```",
                "*b*", "_i_", "~s~", "> q", "* l", "- l", "1. l", "# h", "    code", "\n", "\t",
                "&lt;", "&#64;channel", "&amp;", "|a|b|", "\\", "\u202e", "\x00", "\r", " ", "x",
                "snake_case",
            ]
        ),
        st.text(max_size=8),
    ),
    max_size=12,
).map("".join)  # fmt: skip


def outside_of_code(text: str) -> list[str]:
    """What a reader of markdown reads as such: all that is between code spans."""
    return text.split("`")[::2]


@BOTH
@given(text=BITS)
def test_nothing_in_a_line_is_active(markup: Markup, text: str) -> None:
    """Spans are closed, and outside of them is nothing that anybody acts on."""
    found = markup.inline(text)
    assert 0 == found.count("`") % 2
    assert "``" not in found
    assert "\n" not in found
    for part in outside_of_code(found):
        assert not re.search(r"[@\[\]*~#\\|]|://|www\.", part)
        begins = r"\s*(>|[-+](\s|$)|[-=]+\s*$|\d+[.)](\s|$))"  # a quote, a list, a heading
        assert not re.match(begins, part) or markup is SLACK


@given(text=BITS)
def test_slack_sees_no_control_sequence(text: str) -> None:
    """Also in code and blocks, `<`, `>` and `&` are only ever what stands for them."""
    for found in (SLACK.inline(text), SLACK.block(text), SLACK.linked(text)):
        bare = re.sub(r"&(amp|lt|gt);", "", found)
        assert "&" not in bare
        if "<" in bare:  # a link, which we write
            assert re.fullmatch(r"<https?://[^<>|\s]+>", found)


@BOTH
@given(text=BITS)
def test_a_block_ends_where_we_end_it(markup: Markup, text: str) -> None:
    found = markup.block(text)
    if found:
        lines = found.split("\n")
        assert "```" == lines[0] == lines[-1]
        assert not [line for line in lines[1:-1] if "```" in line]


@given(text=st.text(alphabet=st.characters(categories=("L", "Nd")), min_size=1))
def test_words_stay_as_they_are(text: str) -> None:
    """Of any script."""
    assert MARKDOWN.inline(text) == text


@pytest.mark.parametrize(
    ("text", "markdown", "slack"),
    [
        ("Fix the login", "Fix the login", "Fix the login"),
        (
            "tell @channel & <all>",
            "tell `@channel` & `<all>`",
            "tell `@channel` &amp; `&lt;all&gt;`",
        ),
        ("see http://e.test now", "see `http://e.test` now", "see `http://e.test` now"),
        ("<!here> x", "`< !here>` x", "`&lt;!here&gt;` x"),
        ("- a list\n- of two", "`-` a list `-` of two", "`-` a list `-` of two"),
        ("run `pydeploy check` now", "run `pydeploy check` now", "run `pydeploy check` now"),
        ("one ` alone", "one `'` alone", "one `'` alone"),
        ("שלום 😀", "שלום 😀", "שלום 😀"),
    ],
)
def test_examples(text: str, markdown: str, slack: str) -> None:
    assert (markdown, slack) == (MARKDOWN.inline(text), SLACK.inline(text))


def test_control_characters_are_shown_as_such() -> None:
    """A change must not turn the text around, nor drive a terminal."""
    assert "a\ufffdb" == MARKDOWN.inline("a\u202eb")


def test_links_are_ours() -> None:
    """A URL that is one is a link; what only begins as one is not."""
    url = "http://10020.deploy.deepin.test:8080/x/?a=1&b=2"
    assert url == MARKDOWN.linked(url)
    assert "<http://10020.deploy.deepin.test:8080/x/?a=1&amp;b=2>" == SLACK.linked(url)
    for wrong in ("javascript:alert(1)", "http://x.test/)[y](http://z.test", "http://a b", "x"):
        assert "<" not in SLACK.linked(wrong)


def test_plain_text_has_no_markup() -> None:
    assert "tell @channel" == PLAIN.inline("tell\n@channel")
    assert isinstance(PLAIN.block("a\nb"), Ready)
