"""JUnit XML, which GitLab, GitHub's actions and many others read: a test case for each check.

``testsuite(name, tests, failures, errors, skipped, time)``, in it ``testcase(classname, name)``, in that ``failure``,
``error``, ``skipped`` or ``system-out``.
A failed check is a failure, a blocked one is skipped, an error of the judge is an error. An undetermined check passes,
and its evidence is the output. XML cannot hold control characters, not even as references: `printable` shows them.
"""

from pathlib import Path
from xml.etree import ElementTree as Xml

from threadserver.core.printable import printable
from threadserver.judge.outcomes import Outcome, Result
from threadserver.platforms.platform_results import Told, described, write_whole

_TAGS = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.BLOCKED: "skipped"}


def write(target: Path, told: Told) -> None:
    """Write the report."""
    write_whole(target, Xml.tostring(report(told), encoding="utf-8", xml_declaration=True))


def report(told: Told) -> Xml.Element:
    """Return the report; checks that the course hides are not in it."""
    checks = [check for check in told.checks if check.name not in told.scheme.hidden]
    counts = {tag: str(sum(_TAGS.get(check.outcome) == tag for check in checks)) for tag in _TAGS.values()}
    suite = Xml.Element("testsuite", name=f"threadserver {told.lab.name}", tests=str(len(checks)), time="0",
                        failures=counts["failure"], errors=counts["error"], skipped=counts["skipped"])  # fmt: skip
    for check in checks:
        _case(suite, told.lab.name, check)
    if told.verdict.problem:
        case = Xml.SubElement(suite, "testcase", classname=told.lab.name, name="judge")
        Xml.SubElement(case, "error", message=printable(told.verdict.problem), type="judge")
        suite.set("errors", str(int(counts["error"]) + 1))
        suite.set("tests", str(len(checks) + 1))
    return suite


def _case(suite: Xml.Element, lab: str, check: Result) -> None:
    case = Xml.SubElement(suite, "testcase", classname=lab, name=f"{check.name}: {check.sentence}")
    tag = _TAGS.get(check.outcome)
    text = printable(described(check), keep="\n\t")
    if tag == "skipped":
        Xml.SubElement(case, tag, message=printable(check.message))
    elif tag:
        Xml.SubElement(case, tag, message=printable(check.message), type=check.outcome.value).text = text
    elif text:
        Xml.SubElement(case, "system-out").text = text
