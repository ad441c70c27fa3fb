"""``threadserver doctor``: what this machine offers, and what that means."""

import json
from dataclasses import asdict

import click
from rich.markup import escape
from rich.table import Table

from threadserver.cli import printing
from threadserver.submission.machine_check import Machine, examine


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine offers for judging submissions, and what that means.

    Each feature is tested: a small server is started in containment, inspected and stopped. Nothing is changed. The
    exit code is 0 even if something is missing.

    \b
    threadserver doctor
    """
    machine = examine()
    if as_json:
        click.echo(json.dumps(asdict(machine), indent=2))
    else:
        _show(machine)


def _show(machine: Machine) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "", "found", "what it means"):
        table.add_column(heading, overflow="fold")
    for one in machine.findings:
        sign = "[green]yes[/]" if one.good else "[yellow]no[/]"
        table.add_row(escape(one.name), sign, escape(one.what), escape(one.follows))
    console = printing.console()
    console.print(table)
    if machine.refusal:
        console.print(f"\nnothing can be judged here: {escape(machine.refusal)}")
        return
    kind = "grades" if machine.grades else "self-checks, not grades"
    network = "in a private network" if machine.private_network else "in the machine's own network"
    console.print(f"\nsubmissions are contained by [bold]{machine.containment}[/], {network}: verdicts are {kind}")
