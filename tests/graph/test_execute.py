"""One notebook: what is refused before it runs, and how it is retried."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from fake_study import finish, write_preset
from macromicro.annotate.types import build_types, load_types, save_types
from macromicro.graph import execute
from macromicro.graph.provenance import IN_GRAPH
from macromicro.study import dependencies, params


def test_assignments_are_read_as_yaml():
    assert execute.read_assignments(["a.b=[1, 2]", "c=x=y", "d="]) == {"a.b": [1, 2], "c": "x=y", "d": None}
    with pytest.raises(ValueError, match="expected NAME=VALUE"):
        execute.read_assignments(["tokens.low"])
    with pytest.raises(ValueError, match="is not a value"):
        execute.read_assignments(["tokens.low=[1"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["3_annotat"], "no notebook '3_annotat'; the nearest is '3_annotate'"),
        (["3_annotate", "--params", "strategi=response-micro"], "no parameter 'strategi'; the nearest is 'strategy'"),
        (["3_annotate", "--set", "tokens.lo=3"], "no setting 'tokens.lo'; the nearest is 'tokens.low'"),
        (["3_annotate", "--params", "strategy=response-mikro"], "the nearest is strategy='response-micro'"),
    ],
)
def test_what_is_unknown_is_refused_with_the_nearest_name(finished, capsys, arguments, words):
    assert execute.main(["--try", "tiny", *arguments]) == 1
    assert words in capsys.readouterr().err


def notebook(folder, stage, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}}),
        folder / "notebooks" / f"{stage}.ipynb",
    )


PARAMETERS = 'preset = "tiny"\nchanges = {}\nstrategy = "response-micro"'
DIES_ONCE = """
import os, signal
from pathlib import Path
if not Path("died").exists():
    Path("died").touch()
    os.kill(os.getpid(), signal.SIGTERM)
"""
WRITES = """
from macromicro.annotate.types import build_types, save_types
from macromicro.graph.provenance import start
run = start("3_annotate", preset=preset, changes=changes, strategy=strategy)
names = ["x", "y"] if run.study.tokens.low < 20 else ["x"]
save_types(build_types(["a"], [0], [0], names, report={}), run.out.types(strategy))
run.finish()
"""


def test_a_kernel_that_dies_is_tried_again_and_it_says_so(finished, folder, capfd, monkeypatch):
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    notebook(folder, "3_annotate", PARAMETERS, DIES_ONCE, WRITES)
    dependencies.code_of.cache_clear()
    assert execute.main(["tiny", "3_annotate/response-micro"]) == 0
    shown = capfd.readouterr().out
    assert "trying again, since this may pass" in shown
    assert "the second time it succeeded" in shown
    assert finished.out.stamp("3_annotate", "response-micro").is_file()
    assert load_types(finished.out.types("response-micro")).n_types == 2


def test_an_error_is_not_tried_again(finished, folder, capfd, monkeypatch):
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    notebook(folder, "3_annotate", PARAMETERS, "open('tries', 'a').write('x')", "raise ValueError('size=5 is wrong')")
    dependencies.code_of.cache_clear()
    assert execute.main(["tiny", "3_annotate/response-micro"]) == 1
    assert capfd.readouterr().out.strip().endswith("error: ValueError: size=5 is wrong")
    assert (folder / "tries").read_text() == "x"
    assert not finished.out.stamp("3_annotate", "response-micro").is_file()


def test_a_run_by_hand_leaves_the_study_alone(finished, folder, capsys, monkeypatch):
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    notebook(folder, "3_annotate", PARAMETERS, WRITES)
    dependencies.code_of.cache_clear()
    assert execute.main(["tiny", "3_annotate/response-micro"]) == 0
    monkeypatch.delenv(IN_GRAPH)
    before = finished.out.types("response-micro").read_bytes()
    assert execute.main(["--try", "tiny", "3_annotate", "--set", "tokens.low=20"]) == 0
    shown = capsys.readouterr().out
    place = "outputs/tiny/tries/3_annotate response-micro tokens.low=20"
    assert f"executed notebook: {place}/3_annotate.ipynb" in shown
    assert "changed in types/response-micro.npz: 2 to 1 types, 1 to 1 pairs of sample and type" in shown
    assert (folder / place / "types/response-micro.npz").is_file()
    assert finished.out.types("response-micro").read_bytes() == before


SAYS = """
import atexit, os, sys
print(os.environ["OPENAI_API_KEY"], os.getcwd())
sys.stderr.write(sys.prefix + "/lib")
atexit.register(lambda: os.write(2, f"at the end: {sys.prefix}/bin\\n".encode()))  # past the notebook and its loggers
"""


@pytest.mark.parametrize("ending", [WRITES, "raise ValueError(os.environ['OPENAI_API_KEY'] + ' at ' + os.getcwd())"])
def test_keys_and_folders_of_the_machine_stay_out_of_notebooks_and_logs(finished, folder, ending):
    notebook(folder, "3_annotate", PARAMETERS, SAYS, ending)
    done = subprocess.run(
        [sys.executable, "-m", "macromicro.graph.execute", "tiny", "3_annotate/response-micro"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "sk-hunter2hunter2"},
    )
    where = finished.out.log if done.returncode else finished.out.notebook
    written = where("3_annotate", "response-micro").read_text()
    assert "***" in written and ".venv/lib" in written and "at the end: .venv/bin" in done.stdout
    for text in (written, done.stdout, done.stderr):
        assert "hunter2" not in text and str(folder) not in text and sys.prefix not in text
    assert ("ValueError: *** at ." in done.stdout) == bool(done.returncode)


def test_a_run_by_hand_reads_the_corpus_file_that_its_study_was_run_with(folder, monkeypatch, capsys):
    (folder / "my.jsonl").write_text("{}\n" * 100)
    named = write_preset({"corpus.source": "file", "corpus.path": "my.jsonl", "corpus.packages": []})
    finish(named)
    named.out.params.write_text(params.dump(named))
    save_types(build_types(["a"], [0], [0], ["x"], report={}), named.out.types("response-micro"))
    monkeypatch.setattr(execute.os, "environ", dict(execute.os.environ))
    notebook(folder, "3_annotate", PARAMETERS, WRITES)
    Path("params/tiny.yaml").write_text(Path("params/tiny.yaml").read_text().replace("path: my.jsonl", "path: null"))
    with pytest.raises(ValueError, match=r"tiny\.yaml: corpus\.path: source='file' needs a file"):
        params.load("tiny")
    assert execute.main(["--try", "tiny", "3_annotate", "--set", "tokens.low=20"]) == 0
    written = (folder / "outputs/tiny/tries/3_annotate response-micro tokens.low=20/3_annotate.ipynb").read_text()
    assert 'preset = \\"outputs/tiny/params.yaml\\"' in written and str(folder) not in written
