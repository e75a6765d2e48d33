"""How a diagnosis looks: headings, labels and the JSON form (docs/cli.md#diag); pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ngc_cli.diagnostics import machine, software
from ngc_cli.diagnostics.outcome import Check
from ngc_cli.diagnostics.server import read_text
from ngc_cli.diagnostics.survey import Finding, Form
from ngc_cli.diagnostics.trace import Trace
from ngc_cli.records import User
from ngc_cli.units import format_size

Line = tuple[str, str]
Lines = list[Line]

_HEADINGS = {
    "general": "general information",
    "installation": "CLI installation",
    "operating_system": "Operating System",
    "disk_usage": "disk usage for {path}",
    "current_directory": "current directory ({path}) size",
    "memory": "memory usage",
    "permissions": "file permissions",
    "environment": "set NGC CLI environment variables",
    "python": "Python environment",
    "container_tools": "container tools",
    "gpu": "GPUs",
    "keyring": "keyring",
    "api_gateway": "API gateway connectivity",
    "authentication": "authentication",
    "container_registry": "API connectivity (container registry)",
    "container_registry_meta": "API connectivity (container registry meta)",
    "model_registry": "API connectivity (model registry)",
    "data_storage": "data storage connectivity",
    "clock": "clock",
    "external_ip": "external IP",
    "configuration": "NGC CLI configuration values",
    "user": "user information",
    "org_roles": "user org roles",
    "team_roles": "user team roles",
}
_CHECK_LABELS = {
    "api_gateway": "API Connectivity",
    "authentication": "Authentication",
    "container_registry": "Container Registry Connectivity",
    "container_registry_meta": "Container Registry Meta Connectivity",
    "model_registry": "Model Registry Connectivity",
    "data_storage": "Data storage connectivity",
    "clock": "Clock",
    "external_ip": "Global IP Address",
}
_ON_API_HOST = ("container_registry_meta", "model_registry")  # api_gateway shows the way to it


def heading(finding: Finding, places: Mapping[str, str]) -> str:
    """The first line of a block; ``places`` are the folders that some headings name."""
    name = finding.section.name
    return f"Checking {_HEADINGS[name].format(path=places.get(name, ''))}..."


def lines(finding: Finding) -> Lines:
    """Label and value of each further line of a block."""
    name = finding.section.name
    if name in _CHECK_LABELS:
        return _check_lines(finding)
    if finding.fault is not None:
        return [("Status", _failure(finding)), *_next_step(finding)]
    if finding.status == "skipped":
        return [("Status", f"SKIPPED ({finding.note})")]
    return _FACTS[name](finding.value)


def rows(findings: Iterable[Finding]) -> list[list[str]]:
    """Section, label and value of every line, for csv."""
    return [[finding.section.name, label, value] for finding in findings for label, value in lines(finding)]


def block(finding: Finding, places: Mapping[str, str]) -> str:
    """A block as it is printed, without the blank line after it."""
    return "\n".join([heading(finding, places), *(_line(label, value) for label, value in lines(finding))])


def _line(label: str, value: str) -> str:
    if not label:
        return value
    return f"{label}: {value}" if value else f"{label}:"


def data(findings: Iterable[Finding], forms: Sequence[Form]) -> dict[str, Any]:
    """The JSON form of a diagnosis."""
    report: dict[str, Any] = {"ok": True}
    for finding in findings:
        group, name = finding.section.group, finding.section.name
        if group not in ("general", *forms):
            group = next(form for form in finding.section.forms if form in forms)
        report["ok"] = report["ok"] and finding.status != "failed"
        if group == "server":
            report.setdefault("server", []).append(_check_data(finding))
        elif name in ("general", "installation"):
            report.setdefault(group, {}).update(_value(finding))
        else:
            report.setdefault(group, {})[name] = _value(finding)
    return report


def _check_data(finding: Finding) -> dict[str, Any]:
    members = {
        "check": finding.section.name,
        "status": finding.status,
        "detail": finding.fault.detail if finding.fault else finding.note,
        "elapsed_ms": finding.elapsed_ms,
    }
    if finding.fault:
        members |= {"cause": finding.fault.cause, "next_step": finding.fault.next_step}
    if isinstance(finding.value, Check) and finding.value.trace is not None:
        members["host"] = _trace_data(finding.value.trace)
    return members


def _trace_data(trace: Trace) -> dict[str, Any]:
    values = {
        "name": trace.host,
        "addresses": list(trace.addresses),
        "unreachable_addresses": list(trace.unreachable),
        "proxy": trace.proxy,
        "tls_version": trace.tls_version,
        "http_status": trace.status,
        "clock_difference_s": trace.clock_difference_s,
        "connect_ms": trace.connect_ms,
        "answer_ms": trace.answer_ms,
    }
    if trace.certificate is not None:
        values |= {
            "tls_issuer": trace.certificate.issuer,
            "tls_subject": trace.certificate.subject,
            "tls_expires": f"{trace.certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "trusted_certificates": trace.trusted,
        }
    if trace.read is not None:
        values["read"] = {
            "bytes_read": trace.read.bytes_read,
            "bytes_wanted": trace.read.bytes_wanted,
            "duration_s": round(trace.read.duration_s, 3),
            "rate_bytes_per_s": round(trace.read.rate_bytes_per_s),
        }
    return {name: value for name, value in values.items() if value not in (None, "", [], 0)}


def _value(finding: Finding) -> Any:
    if finding.fault is not None:
        return {
            "status": "failed",
            "detail": finding.fault.detail,
            "cause": finding.fault.cause,
            "next_step": finding.fault.next_step,
        }
    if finding.status == "skipped":
        return {"status": "skipped", "detail": finding.note}
    if finding.section.name == "environment":
        return {item.name: item.value for item in finding.value}
    if finding.section.name == "user":
        user: User = finding.value
        return _plain(User(user.id, user.name, user.email))
    return _plain(finding.value)


def _plain(value: Any) -> Any:
    """Records as objects without absent members."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: _plain(member) for name, member in pairs if member is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return value


# server checks


def _check_lines(finding: Finding) -> Lines:
    label = _CHECK_LABELS[finding.section.name]
    if finding.fault is not None:
        result = [(label, _failure(finding)), *_next_step(finding)]
    elif finding.status == "skipped":
        result = [(label, f"SKIPPED ({finding.note})")]
    elif finding.section.name == "external_ip":
        result = [(label, finding.note)]
    else:
        result = [(label, f"SUCCESS ({finding.note})" if finding.note else "SUCCESS")]
    trace = finding.value.trace if isinstance(finding.value, Check) else None
    if trace is None:
        return result
    way = _way_lines(trace) if finding.section.name not in _ON_API_HOST or finding.fault else []
    return [*result, ("Host", trace.host), *way, *_answer_lines(trace)]


def _failure(finding: Finding) -> str:
    assert finding.fault is not None
    return f"FAILED ({finding.fault.cause}: {finding.fault.detail})"


def _next_step(finding: Finding) -> Lines:
    return [("Next step", finding.fault.next_step)] if finding.fault and finding.fault.next_step else []


def _way_lines(trace: Trace) -> Lines:
    """The way to the host, as far as it was gone."""
    found = []
    if trace.addresses:
        found.append(("Proxy addresses" if trace.proxy else "Addresses", ", ".join(trace.addresses)))
    if trace.unreachable and trace.unreachable != trace.addresses:
        found.append(("Addresses that do not answer", ", ".join(trace.unreachable)))
    found.append(("Proxy", trace.proxy or "none"))
    if trace.certificate is not None:
        certificate = trace.certificate
        until = f"{certificate.not_after:%Y-%m-%d}"
        found.append(("TLS", f"{trace.tls_version}, issued by '{certificate.issuer}', valid until {until}"))
        found.append(("Trusted certificates", trace.trusted))
    if trace.clock_difference_s is not None:
        found.append(("Clock difference", f"{trace.clock_difference_s:+.1f} s"))
    return found


def _answer_lines(trace: Trace) -> Lines:
    """What came back, and how fast."""
    found = []
    if trace.status:
        found.append(("HTTP status", str(trace.status)))
    if trace.connect_ms is not None and trace.answer_ms is not None:
        found.append(("Latency", f"{trace.connect_ms} ms to connect, {trace.answer_ms} ms to answer"))
    if trace.read is not None:
        found.append(("Sustained read", read_text(trace)))
    return found


# facts


def _general(value: machine.General) -> Lines:
    return [("Timestamp", value.timestamp), ("User name", value.user_name)]


def _installation(value: software.Installation) -> Lines:
    return [
        ("CLI version", value.cli_version),
        ("Using a binary version of CLI", "YES" if value.binary else "NO"),
    ]


def _operating_system(value: machine.OperatingSystem) -> Lines:
    found = [("Type", value.type), ("Version", value.version)]
    if value.distribution:
        found.append(("Distribution", value.distribution))
    return [*found, ("Machine", value.machine), ("In a container", "YES" if value.container else "NO")]


def _disk_usage(value: machine.DiskUsage) -> Lines:
    return [
        ("Total", format_size(value.total_bytes)),
        ("Free", format_size(value.free_bytes)),
        ("Used", f"{value.used_percent:g}%"),
    ]


def _current_directory(value: machine.DirectorySize) -> Lines:
    size = format_size(value.size_bytes)
    if value.complete:
        return [("Size", size)]
    return [("Size", f"more than {size} (stopped after {machine.DIRECTORY_LIMIT_S:g} s)")]


def _memory(value: machine.Memory) -> Lines:
    return [
        ("Total", format_size(value.total_bytes)),
        ("Free", format_size(value.free_bytes)),
        ("Used", format_size(value.used_bytes)),
    ]


def _permissions(value: machine.Permissions) -> Lines:
    if not value.config_folder:
        folder = "none"
    elif value.config_folder_mode is None:
        folder = f"{value.config_folder} (does not exist yet)"
    else:
        folder = f"{value.config_folder} ({value.config_folder_mode})"
    found = [
        ("set umask", value.umask),
        ("Configuration folder", folder),
        ("Configuration folder is writable", "YES" if value.config_folder_writable else "NO"),
    ]
    if value.config_file_mode:
        found.append(("Configuration file mode", value.config_file_mode))
    if value.problem:
        found.append(("Problem", value.problem))
    return found


def _environment(value: Sequence[machine.Variable]) -> Lines:
    return [(item.name, item.value) for item in value] or [("", "None")]


def _python(value: software.PythonEnvironment) -> Lines:
    return [
        ("Python", value.python),
        ("Executable", value.executable),
        ("Install location", value.location),
        ("OpenSSL", value.openssl),
        *value.packages.items(),
    ]


def _container_tools(value: Sequence[software.Tool]) -> Lines:
    def text(tool: software.Tool) -> str:
        return ", ".join(part for part in (tool.version, tool.problem) if part)

    return [(tool.name, text(tool)) for tool in value] or [("", "None")]


def _gpu(value: software.GpuState) -> Lines:
    found = [("Driver", value.driver or "None")]
    for number, gpu in enumerate(value.gpus):
        capability = f", compute capability {gpu.compute_capability}" if gpu.compute_capability else ""
        found.append((f"GPU {number}", f"{gpu.name}, {gpu.memory}{capability}"))
    found.append(("GPU support in containers", ", ".join(value.methods) or "None"))
    if value.run_command:
        found.append(("Run with", value.run_command))
    if value.problem:
        found.append(("Problem", value.problem))
    return found


def _keyring(value: software.Keyring) -> Lines:
    return [("Keyring backend", value.backend), ("Usable", "YES" if value.usable else f"NO ({value.detail})")]


def _configuration(value: Sequence[Mapping[str, str]]) -> Lines:
    return [(row["key"], f"{row['value']} ({row['source']})") for row in value] or [("", "None")]


def _user(value: User) -> Lines:
    number = "" if value.id is None else str(value.id)
    return [("User ID", number), ("Name", value.name or ""), ("Email", value.email or "")]


def _roles(value: Mapping[str, Sequence[str]]) -> Lines:
    return [(place, ", ".join(roles)) for place, roles in value.items()] or [("", "None")]


_FACTS: dict[str, Callable[[Any], Lines]] = {
    "general": _general,
    "installation": _installation,
    "operating_system": _operating_system,
    "disk_usage": _disk_usage,
    "current_directory": _current_directory,
    "memory": _memory,
    "permissions": _permissions,
    "environment": _environment,
    "python": _python,
    "container_tools": _container_tools,
    "gpu": _gpu,
    "keyring": _keyring,
    "configuration": _configuration,
    "user": _user,
    "org_roles": _roles,
    "team_roles": _roles,
}
