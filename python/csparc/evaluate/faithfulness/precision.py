"""K-Precision: the share of a sentence's words that its references have, too."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

from csparc._scalars import choice

ARTICLES = ("drop", "keep")
COUNTS = ("multiset", "set")
_MARKS = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def normalized(text: str, articles: str = "drop") -> list[str]:
    """The words of a text as K-Precision compares them: in lower case, without punctuation marks
    (``dog's`` is ``dogs``) and, where ``articles="drop"``, without a, an and the."""
    text = text.lower().translate(_MARKS)
    return (_ARTICLE.sub(" ", text) if articles == "drop" else text).split()


def k_precision(
    prediction: str, references: Iterable[str], articles: str = "drop", count: str = "multiset"
) -> float:
    """The share of the words of ``prediction`` that the references, joined, have; 0 of no words.

    Adlakha et al. 2023 (arXiv 2307.16877), as their public code computes it.

    Parameters
    ----------
    prediction : str
    references : iterable of str
    articles : {"drop", "keep"}
    count : {"multiset", "set"}
        A word said twice counts twice only where the references have it twice; or each word once.

    Raises
    ------
    ValueError
        Another variant.
    """
    choice(articles, "articles", ARTICLES)
    choice(count, "count", COUNTS)
    said, known = normalized(prediction, articles), normalized(" ".join(references), articles)
    if not said:
        return 0.0
    if count == "set":
        return len(set(said) & set(known)) / len(set(said))
    return (Counter(said) & Counter(known)).total() / len(said)


def k_precision_of_words(words: Iterable[str], references: Iterable[str]) -> float | None:
    """The share of ``words``, a sentence's nouns and adjectives, that are among the words of the
    references (K-Precision of nouns and adjectives); None where there are no words."""
    said = [word for text in words for word in normalized(text, "keep")]
    known = set(normalized(" ".join(references), "keep"))
    return sum(word in known for word in said) / len(said) if said else None
