"""The code of docs/units.md, as it stands there."""

import re
from pathlib import Path

GUIDE = Path(__file__).parent.parent / "docs" / "units.md"


def test_the_guides_code_runs_and_says_what_it_promises(capsys):
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: dict = {}
    exec(compile(code, str(GUIDE), "exec"), found)
    assert len(capsys.readouterr().out.splitlines()) == 6 + 1 + 2
    assert found["narrow"].fc1.out_features < found["network"].fc1.out_features
    assert found["difference"](found["network"], found["without"], found["images"]).same_answers > 0.7
    assert found["difference"](found["network"], found["narrow"], found["images"]).same_answers > 0.9
