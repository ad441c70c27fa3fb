"""Loading modules of the user by their path: models, services, conversations.

Each gets a unique name in ``sys.modules``, so that a user's ``socket.py`` never replaces another module.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from threadserver.core.errors import UsageError


def load_module(path: str) -> ModuleType:
    """Run the Python file at ``path`` as a module, once for each file, and return the module.

    Raises UsageError when there is no such file, or when it fails.
    """
    file = Path(path).resolve()
    name = f"threadserver_user:{file}"
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        folder = f"{path} is a folder: name the file in it, such as {Path(path) / 'server.py'}"
        raise UsageError(folder if file.is_dir() else f"no such file: {path}")
    loader = importlib.machinery.SourceFileLoader(name, str(file))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))  # type: ignore[arg-type]
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        where = f"{path}, line {error.lineno}" if error.lineno else path
        raise UsageError(f"{where}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def load(path: str, name: str, expected: str) -> Any:  # noqa: ANN401
    """Return the callable ``name`` of the file at ``path``; ``expected`` tells the user what it should be.

    Raises UsageError when the file cannot be loaded or holds no such callable.
    """
    found = getattr(load_module(path), name, None)
    if not callable(found):
        raise UsageError(f"{path} has no function {name}: {expected}")
    return found
