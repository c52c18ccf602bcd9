"""The same as a process of its own, patched first as the server is."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from tests.accounts_house import serve  # noqa: E402

if __name__ == "__main__":
    serve(*sys.argv[1:])
