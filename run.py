#!/usr/bin/env python3
"""Start the server: embedded by default, production by environment. `--debug` reloads on a change of the code.

The order is the point: gevent patches before anything of ours is imported, settings and port are checked before
anything heavy is, the master migrates and seeds once, and no connection is open when it forks its workers.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import gc
import logging
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

from app.settings import Settings, SettingsError
from app.utils import logs
from app.utils.secrets_file import KeptSecretError, kept_secret, private_folder

HERE = Path(__file__).resolve().parent
log = logging.getLogger("onedoor.run")


def main() -> None:
    options = _options()
    os.umask(0o077)
    settings = _settings(options.root)
    logs.to_stderr(settings.log_level)
    listener, room = _listen(settings)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_emptied(settings.instance / "metrics"))
    for warning in settings.warnings():
        log.warning(warning)
    if options.debug:
        _in_child(settings, options.root)
    else:
        _prepare(settings)
        import app.bootstrap  # noqa: F401 - loaded once here, shared by all workers

        gc.collect()
        gc.freeze()
    from deploy.server import serve

    address = listener.getsockname()
    serve(settings, listener, lambda: _greet(settings, address), room=room, debug=options.debug)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debug", action="store_true", help="one worker that reloads when the code changes")
    parser.add_argument("--root", type=Path, default=HERE, help="folder of .env, instance/ and logs/")
    return parser.parse_args()


def _settings(root: Path) -> Settings:
    if os.environ.pop("FLASK_DEBUG", "0").lower() not in ("", "0", "false", "no"):
        sys.stderr.write("FLASK_DEBUG is ignored; python run.py --debug reloads\n")
    try:
        settings = Settings.load(os.environ, root / ".env", root.resolve())
        instance = private_folder(settings.instance)
        return replace(
            settings,
            secret_key=settings.secret_key or kept_secret(instance / "secret_key"),
            jwt_secret_key=settings.jwt_secret_key or kept_secret(instance / "jwt_secret_key"),
        )
    except (SettingsError, KeptSecretError) as fault:
        _refuse(str(fault))
        raise


def _listen(settings: Settings) -> "tuple[socket.socket, Capacity]":  # noqa: F821 - it is imported late
    from deploy.server import capacity, listen

    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        _refuse(f"Cannot listen at {settings.host}:{settings.port}: {error.strerror or error}")
        raise
    room = capacity(settings.max_streams)
    if room.streams < settings.max_streams:
        log.warning(
            "MAX_STREAMS is lowered from %d to %d: the limit of open files (ulimit -n) allows no more",
            settings.max_streams,
            room.streams,
        )
    return listener, room


def _emptied(folder: Path) -> Path:
    """The folder where workers count, without the counts of an earlier start. Named in the environment before the
    library that counts is first imported."""
    private_folder(folder)
    for counts in folder.glob("*.db"):
        counts.unlink()
    return folder


def _prepare(settings: Settings) -> None:
    """Bring the database to the schema of this code and fill it where it is empty."""
    import seed

    try:
        seed.prepare(settings)
    except seed.CannotStart as fault:
        _refuse(str(fault))


def _in_child(settings: Settings, root: Path) -> None:
    """The same in a child, so that the master stays without our modules and each reload imports them anew."""
    pid = os.fork()
    if pid == 0:
        _prepare(settings)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status:
        os._exit(1)


def _greet(settings: Settings, address: tuple[str, int]) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address[0], address[0])  # noqa: S104
    base = f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{address[1]}"
    key = settings.instance / "first-key"
    shown = key.relative_to(Path.cwd()) if key.is_relative_to(Path.cwd()) else key
    token = f"$(cat {shown})" if key.exists() else "$KEY"
    line = (
        f"""curl -s {base}/llm/chat -H "Authorization: Bearer {token}" """
        """-H 'content-type: application/json' -d '{"message":"Hello"}'"""
    )
    sign_in = "" if key.exists() else f" (KEY is an API key: sign in at {base}/token, make one at {base}/api/keys)"
    print(f"\nListening at {base}\n\nTry it{sign_in}:\n{line}\n", flush=True)


def _refuse(sentence: str) -> None:
    """Say why there is no start, without a trace, and end with 1."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
