"""Which columns of a file hold what is asked and answered, by the names that files give them."""

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from macromicro.corpus.records import Column, Records, is_text

PAIRS = (
    ("instruction", "response"),
    ("instruction", "output"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "reference"),
    ("question", "response"),
    ("question", "answer"),
)
CONVERSATIONS = ("messages", "conversations")
PROMPTS = ("instruction", "prompt", "question")
SYSTEM = ("system", "system_prompt")


def find_texts(records: Records, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that hold the texts: instruction, response and, if there, input; or the one of conversations.

    Parameters: columns, our names and the file's where they differ. Raises ValueError if there are none that are known.
    """
    names = set(records.columns)
    mapped = [(columns.get("instruction", ours), columns.get("response", theirs)) for ours, theirs in PAIRS]
    pair = next((pair for pair in mapped if set(pair) <= names), None)
    if pair:
        given = [columns["input"]] if "input" in columns else _find_given(records, pair)
        return (*pair, *given)
    chat = next((name for name in CONVERSATIONS if name in names), None)
    if chat is None:
        forms = "; ".join(" + ".join(form) for form in (*PAIRS, *((name,) for name in CONVERSATIONS)))
        raise ValueError(
            f"{records.name}: has columns {', '.join(records.columns)}; expected {forms}; or say which they are, such "
            "as --column response=answer (in Python columns={'response': 'answer'})"
        )
    return (chat,)


def find_system(records: Records, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The column of system prompts, if there is one: one that `columns` names, or of a known name with text."""
    if "system" in columns:
        return (columns["system"],)
    return tuple(name for name in SYSTEM if name in records.columns and _holds_text(records.columns[name]))[:1]


def find_asked(records: Records, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that hold what is asked, answered or not: instruction and, if there, input; or conversations.

    Parameters: columns, as in `find_texts`. Raises ValueError if there are none that are known.
    """
    names = records.columns
    if "instruction" in columns:
        given = [columns["input"]] if "input" in columns else _find_given(records, columns.values())
        return (columns["instruction"], *given)
    answered = any(set(pair) <= set(names) for pair in PAIRS)
    chat = next((name for name in CONVERSATIONS if name in names), None)
    asked = next((name for name in PROMPTS if name in names), None)
    if asked is None or (chat and not answered):
        if chat is None:
            raise ValueError(
                f"{records.name}: has columns {', '.join(names)}; expected prompts in one of "
                f"{', '.join((*PROMPTS, *CONVERSATIONS))}; answers are not needed"
            )
        return (chat,)
    return (asked, *_find_given(records, [asked]))


def read_instructions(records: Records, asked: str, given: Sequence[str]) -> pa.Array:
    """The texts of a column, and after a blank line those of the columns `given`, where there is something."""
    instruction = records.texts(asked)
    for column in given:
        instruction = _fold(instruction, records.texts(column, required=False))
    return instruction


def _find_given(records: Records, taken: Collection[str]) -> list[str]:
    """The columns with what an instruction is about, Alpaca's input and the context of others, that are not `taken`."""
    known = [name for name in ("input", "context") if name in records.columns and name not in taken]
    return [name for name in known if name == "input" or _holds_text(records.columns[name])]


def prefix(instruction: pa.Array, system: pa.Array) -> pa.Array:
    """Each instruction below its system prompt and a blank line; what asks nothing stays a sample without text."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(instruction), ""), instruction, _fold(system, instruction))


def _holds_text(values: Column) -> bool:
    """Whether a column holds text; what else stands among it is for the reader of the column to refuse."""
    if isinstance(values, list):
        return any(isinstance(value, str) for value in values)
    kind = values.type
    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _fold(first: pa.Array, second: pa.Array) -> pa.Array:
    """The first text, and after a blank line the second, where there is something."""
    second = pc.utf8_trim_whitespace(second)
    both = pc.binary_join_element_wise(pc.utf8_trim_whitespace(first), second, pa.scalar("\n\n", pa.large_string()))
    return pc.if_else(pc.equal(second, ""), first, both)
