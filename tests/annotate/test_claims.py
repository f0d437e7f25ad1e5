import subprocess
import sys

from macromicro.annotate.claims import Claims


def test_what_a_process_was_at_when_it_ended_is_computed_by_another(tmp_path):
    """A claim ends with its process: here one that takes all and does nothing."""
    shelf = tmp_path / "shelf"
    claim = (
        "import sys, time; from pathlib import Path; from macromicro.annotate.claims import Claims\n"
        "with Claims(Path(sys.argv[1])) as claims:\n"
        "    print(claims.take(sys.argv[2]), flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", claim, str(shelf), "0a" * 12], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True\n"
    with Claims(shelf) as claims:
        assert not claims.take("0a" * 12)
        assert claims.take("0b" * 12)
        other.kill()
        assert claims.take("0a" * 12, wait=True)
        claims.file("0a" * 12).touch()
        assert not claims.take("0a" * 12)
    other.wait()
