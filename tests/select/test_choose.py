import numpy as np
import pandas as pd
import pytest
from macromicro.annotate.types import build_types
from macromicro.select.choose import choose, describe_coverage, find_types, open_tokenizer

TOPICS = dict(reducer="pca", n_components=2, n_neighbors=5, min_cluster_size=15, min_samples=2, n_keywords=2,
              cluster_selection="leaf")  # fmt: skip
TAGS = dict(n_tags=2, min_count=2, merge_distance=0.05, min_support=40, min_confidence=0.99)
TOKENS = dict(low=1, high=100, unit="word")


def make_samples(n=40):
    texts = [f"apples {'and pears' * (row % 2)}" if row < n // 2 else f"rivers {'and hills' * (row % 2)}"
             for row in range(n)]  # fmt: skip
    ids = [f"{row:03d}" for row in range(n)]
    return pd.DataFrame({"id": ids, "instruction": texts, "response": texts}).astype("str")


def embed(texts):
    """Two clumps: texts about apples, and others."""
    rng = np.random.default_rng(0)
    points = np.array([[1.0, 0.1] if text.startswith("apple") else [0.1, 1.0] for text in texts])
    points = points + 0.01 * rng.normal(size=points.shape)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def types_of(granularity, samples, tokenizer=None, **changes):
    given = dict(embed=embed, seed=0, topics=TOPICS, tags=TAGS, tokens=TOKENS, untyped="drop", tokenizer=tokenizer)
    return find_types(samples, "response", granularity, **(given | changes))


def test_types_of_every_granularity():
    samples = make_samples()
    assert types_of("micro", samples).labels.tolist() == ["and", "apples", "hills", "pears", "rivers"]
    assert types_of("macro", samples).n_types == 2
    assert "rivers" in types_of("meso", samples).labels
    own = types_of("micro", samples, tokens=TOKENS | {"high": 19}, untyped="own")  # pears, hills and 20 without either
    assert (own.report["untyped"]["n"], own.n_types) == (20, 22)


def test_no_types_at_all():
    with pytest.raises(ValueError, match=r"no response of 40 samples has a type.*tokens.low=90 to tokens.high=100"):
        types_of("micro", make_samples(), tokens=TOKENS | {"low": 90})
    with pytest.raises(ValueError, match=r"lower tags.min_count=99"):
        types_of("meso", make_samples(), tags=TAGS | {"min_count": 99})


def test_a_tokenizer_trained_on_the_corpus_does_not_depend_on_row_order(tmp_path):
    samples = make_samples()
    trained, about = open_tokenizer("bpe", samples)
    again, _ = open_tokenizer("bpe", samples.sample(frac=1, random_state=1))
    assert trained.to_str() == again.to_str()
    assert "trained on the corpus itself" in about
    text = "Äpfel\tund 梨\0 🙂"
    assert len("".join(trained.encode(text).tokens)) == len(text.encode())  # every byte has a token
    trained.save(str(tmp_path / "tokenizer.json"))
    loaded, about = open_tokenizer(str(tmp_path / "tokenizer.json"), samples)
    assert (loaded.to_str(), about) == (trained.to_str(), "tokenizer tokenizer.json")
    assert open_tokenizer("words", samples)[0] is None
    with pytest.raises(ValueError, match=r"cannot load tokenizer '.*missing'.*give words, bpe"):
        open_tokenizer(str(tmp_path / "missing"), samples)


def test_a_tokenizer_is_trained_on_a_word_without_an_end():
    """Uncut, training would take 12 s for 80,000 characters, and 150 times as long for a million."""
    samples = pd.DataFrame({"instruction": ["a", "b"], "response": ["na" * 500_000, "a short answer"]})
    trained, _ = open_tokenizer("bpe", samples)
    text = "na" * 1500
    assert "".join(trained.encode(text).tokens) == text


@pytest.mark.parametrize("method", ["even", "random", "longest", "k-center", "facility-location", "max-coverage"])
def test_every_method_chooses_as_many_as_asked(method):
    samples = make_samples()
    given = dict(method=method, size=7, level=100, seed=3, types=types_of("micro", samples), embed=embed)
    choice = choose(samples, "response", **given)
    assert len(set(choice.rows.tolist())) == 7
    assert (np.diff(choice.rows) > 0).all()
    assert choice.facts["types in the corpus"] == 5
    assert choose(samples, "response", **given).rows.tolist() == choice.rows.tolist()
    if method in ("even", "max-coverage"):
        assert choice.facts["types covered"] == 5
    if method == "longest":
        assert (choice.rows % 2 == 1).all()
    if method in ("k-center", "facility-location"):
        assert {row < 20 for row in choice.rows} == {True, False}


def test_a_lower_level_draws_from_a_pool_of_fewer_types():
    samples = make_samples()
    given = dict(method="even", size=10, seed=0, types=types_of("micro", samples), embed=embed)
    low, high = (choose(samples, "response", level=level, **given).facts for level in (0, 100))
    assert (low["types in the pool"], low["samples in the pool"], low["types covered"]) == (1, 10, 1)
    assert (high["types in the pool"], high["samples in the pool"], high["types covered"]) == (5, 40, 5)


def test_refused():
    samples, types = make_samples(), types_of("micro", make_samples())
    given = dict(method="even", size=5, level=100, seed=0, types=types, embed=embed)
    with pytest.raises(ValueError, match=r"same ids, but 10 are in one only: .'030'"):
        choose(samples.head(30), "response", **given)
    for method in ("even", "max-coverage"):
        with pytest.raises(ValueError, match=f"method '{method}' needs types"):
            choose(samples, "response", **(given | {"method": method, "types": None}))
    for method in ("random", "longest", "k-center", "facility-location", "max-coverage", "even"):
        with pytest.raises(ValueError, match="size=41"):
            choose(samples, "response", **(given | {"method": method, "size": 41}))


def test_coverage_by_hand():
    types = build_types("abcd", [0, 1, 2, 2], [0, 0, 1, 2], ["x", "y", "z"], report={})
    facts = describe_coverage(types, np.array([0, 1]), np.random.default_rng(0))
    assert (facts["types in the corpus"], facts["types covered"], facts["evenness (0 to 1)"]) == (3, 1, 1.0)
    assert facts["samples of the corpus without a type"] == 1


def test_untyped_samples_are_counted_before_they_are_given_types():
    types = types_of("micro", make_samples(), tokens=TOKENS | {"high": 19}, untyped="own")
    facts = describe_coverage(types, np.array([0, 1]), np.random.default_rng(0))
    assert facts["samples of the corpus without a type"] == 20
