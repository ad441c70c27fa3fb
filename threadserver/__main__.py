"""``python -m threadserver`` is the ``threadserver`` command."""

from threadserver.cli import main

if __name__ == "__main__":
    main(prog_name="threadserver")
