"""Which prompts a model reads together: batches of texts, and where prompts end in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["TOKENS_AT_A_TIME", "Batch", "filled_up", "of_one_length"]

TOKENS_AT_A_TIME: Final = 2048
"""Texts are read together up to so many tokens: this bounds the memory that a pass takes."""

Prompt = Sequence[int]


@dataclass(frozen=True)
class Batch:
    """Texts of one length, and the prompts that they begin with.

    Attributes
    ----------
    ids : list of list of int, (texts, tokens)
        Shorter texts are filled up behind their end.
    places : list of int, (prompts,)
        Numbers of the prompts.
    texts : list of int, (prompts,)
        In which text each is.
    ends : list of int, (prompts,)
        Where its last token is.
    """

    ids: list[list[int]]
    places: list[int]
    texts: list[int]
    ends: list[int]

    @property
    def exposed(self) -> dict[int, int]:
        """Of each prompt, by its number: its tokens or those behind its end, whichever are fewer."""
        tokens = len(self.ids[0])
        return {
            place: min(end + 1, tokens - end - 1) for place, end in zip(self.places, self.ends, strict=True)
        }


def of_one_length(prompts: Sequence[Prompt]) -> Iterator[Batch]:
    """Each prompt as a text of its own, with others of its length: nothing stands behind any of them."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        by_length[len(prompt)].append(place)
    for _, places in sorted(by_length.items()):
        yield from _batches(prompts, {place: [place] for place in places})


def filled_up(prompts: Sequence[Prompt]) -> Iterator[Batch]:
    """Prompts in as few batches as there can be, for models in which no token sees those behind it.

    A prompt that begins another is read as a part of it, and texts of similar length are made equally long.
    """
    within: dict[int, list[int]] = {}
    text = -1
    # In descending order, what a prompt begins stands right in front of it.
    for place in sorted(range(len(prompts)), key=lambda place: list(prompts[place]), reverse=True):
        if text < 0 or list(prompts[text][: len(prompts[place])]) != list(prompts[place]):
            text = place
            within[text] = []
        within[text].append(place)
    yield from _batches(prompts, dict(sorted(within.items(), key=lambda each: len(prompts[each[0]]))))


def _batches(prompts: Sequence[Prompt], within: Mapping[int, Sequence[int]]) -> Iterator[Batch]:
    """Batches of texts in their order, by text the prompts within it; the next text is never shorter."""
    chosen: list[int] = []
    for text in within:
        if chosen and (len(chosen) + 1) * len(prompts[text]) > TOKENS_AT_A_TIME:
            yield _batch(prompts, chosen, within)
            chosen = []
        chosen.append(text)
    if chosen:
        yield _batch(prompts, chosen, within)


def _batch(prompts: Sequence[Prompt], chosen: Sequence[int], within: Mapping[int, Sequence[int]]) -> Batch:
    rows = [list(prompts[text]) for text in chosen]
    tokens = max(map(len, rows))
    inside = [(place, row) for row, text in enumerate(chosen) for place in within[text]]
    return Batch(
        [row + row[-1:] * (tokens - len(row)) for row in rows],
        [place for place, _ in inside],
        [row for _, row in inside],
        [len(prompts[place]) - 1 for place, _ in inside],
    )
