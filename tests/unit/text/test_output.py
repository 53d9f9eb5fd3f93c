"""Tests output to a closed stdout or stderr."""

import os
import subprocess
import sys

import pytest

SAYS = {
    "err": "for n in range(9): output.err(f'line {n}')",
    "failed": "output.failed('message', 'hint')",
    "a log": "from tapdock.log import Log; log = Log('r', write=output.log_text); log.info('one'); log.info('two')",
    "err and the end": "output.err('line'); sys.stderr.write('half a line')",
}


@pytest.mark.parametrize("says", SAYS.values(), ids=list(SAYS))
def test_a_closed_stderr_ends_nothing(says):
    reader, writer = os.pipe()
    os.close(reader)
    code = f"import sys\nfrom tapdock.text import output\n{says}\nprint('went on')"
    ended = subprocess.run([sys.executable, "-c", code], stderr=writer, stdout=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ended.returncode, ended.stdout) == (0, "went on\n")
