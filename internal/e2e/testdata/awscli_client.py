"""AWS's command line, started once for many commands: each line of input is
the JSON list of a command's arguments, each line of output what it printed and
its exit code. Each command runs in a process of its own, forked from this one."""
import json
import os
import sys

from awscli.clidriver import main

for line in sys.stdin:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(read)
        os.close(write)
        sys.argv = ["aws"] + json.loads(line)
        code = 1
        try:
            code = main() or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as out:
        text = out.read().decode()
    _, status = os.waitpid(child, 0)
    print(json.dumps([text, os.waitstatus_to_exitcode(status)]), flush=True)
