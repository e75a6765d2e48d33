"""What ``ngc config set`` is to change, from options or from answers.

See docs/protocol/authentication.md#setting-a-configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ngc_cli.cli.prompts import Questions
from ngc_cli.cli.runtime import Runtime
from ngc_cli.config.profiles import ENVIRONMENT, NO_ORG, NO_TEAM, USER_SETTINGS
from ngc_cli.config.secrets import Secret, check_key
from ngc_cli.config.values import parse_name
from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import ConfigError, UsageError
from ngc_cli.http.redact import register_secret
from ngc_cli.records import Org
from ngc_cli.services.configuration import (
    NO_CONTEXT,
    NO_KEY,
    Account,
    address_values,
    has_key,
    org_label,
    org_values,
)

NO_APIKEY = "no-apikey"
_KEY_OPTION = "--api-key-stdin (or set NGC_CLI_API_KEY)"


@dataclass
class Plan:
    """Profile values to change, an empty one to remove, and a new key if there is one."""

    values: dict[str, str]
    api_key: Secret | None = None


class Dialog:
    """Finds out what to change in a profile that now has the values ``stored``; ``check`` asks the server too."""

    def __init__(self, run: Runtime, stored: dict[str, str], *, check: bool) -> None:
        self._run = run
        self._settings = run.settings
        self._stored = stored
        self._check = check
        self._questions = Questions(interactive=run.interactive)

    def by_options(self, *, key_from_stdin: bool) -> Plan:
        """The plan that the options make; nothing is asked and what they do not name stays."""
        flags = self._run.flags
        plan = Plan({})
        if key_from_stdin:
            plan.api_key = _new_key(self._questions.secret_from_stdin())
        if flags.format_type:
            plan.values["format_type"] = flags.format_type
        if flags.ca_bundle is not None:
            plan.values["ca_bundle"] = str(Path(self._settings.ca_bundle).absolute())
        self._take_addresses(plan)
        account = None
        if plan.api_key is not None or not {flags.org, flags.team} <= {None, NO_ORG, NO_TEAM}:
            account = self._account(plan.api_key)
        if account is not None and plan.api_key is not None:
            self._check_new_key(account)
        if flags.org is not None:
            plan.values |= org_values(self._org(account, flags.org))
        if flags.team is not None:
            org = plan.values.get("org", self._stored.get("org", ""))
            plan.values["team"] = self._team(account, org, flags.team)
        return plan

    def by_questions(self) -> Plan:
        """The plan that the answers make, asked in the order of the official client."""
        plan = Plan({})
        account = self._ask_key(plan)
        plan.values["format_type"] = self._questions.ask(
            f"output format ({', '.join(FORMATS)})",
            "--format_type",
            _format,
            default=self._stored.get("format_type", "ascii"),
        )
        if "apikey" in plan.values:
            plan.values |= NO_CONTEXT
            return plan
        org = self._ask_org(account)
        plan.values |= org_values(org)
        if org is not None:
            plan.values["team"] = self._ask_team(account, org.name)
        return plan

    # keys and addresses

    def _ask_key(self, plan: Plan) -> Account | None:
        """Take a new key, keep the old one or go without; returns the account to choose from, unless unchecked."""
        kept = self._kept_key()

        def take(answer: str) -> Account | None:
            if answer == NO_APIKEY:
                plan.values |= NO_KEY
                return None
            plan.api_key = _new_key(answer) if answer else None
            account = self._account(plan.api_key or kept)
            if account is not None:
                self._run.output.note("Checking the API key ...")
                if not account.orgs:
                    self._run.output.note("This key gives access to no org.")
            return account

        account = self._questions.ask(
            "API key",
            _KEY_OPTION,
            take,
            default="" if kept else NO_APIKEY,
            shown=kept.masked() if kept else "",
            hidden=True,
        )
        self._take_addresses(plan)
        return account

    def _kept_key(self) -> Secret | None:
        """The key of the profile, when it is for the addresses in effect and can be read."""
        own = [offer for offer in self._settings.candidates["api_key"] if offer.source == USER_SETTINGS]
        if not own or not isinstance(own[0].value, Secret) or self._is_bound_elsewhere():
            return None
        try:
            own[0].value.reveal()
        except ConfigError as error:
            self._run.output.warn(error.message)
            return None
        return own[0].value

    def _is_bound_elsewhere(self) -> bool:
        """Whether the profile has a key for other addresses than those in effect."""
        return has_key(self._stored) and self._settings.own_addresses[:3] != self._settings.addresses[:3]

    def _take_addresses(self, plan: Plan) -> None:
        """A key is stored with the addresses it is for; an address without a key may not take an old key along."""
        if plan.api_key is not None or (self._run.flags.api_url is not None and not has_key(self._stored)):
            plan.values |= address_values(self._settings)
        elif self._run.flags.api_url is not None and self._is_bound_elsewhere():
            raise UsageError(
                f"profile '{self._settings.profile}' has an API key for another address",
                hint="Name another profile with --profile, or give a key for this address: --api-key-stdin.",
            )

    def _account(self, key: Secret | None) -> Account | None:
        """The account of the new key, the profile's, or the environment's; None when nothing is to be checked."""
        if not self._check:
            return None
        key = key or self._kept_key() or self._settings.api_key
        if key is None:
            raise ConfigError(
                "org and team cannot be checked without an API key",
                hint="Give one with --api-key-stdin, or skip the check with --no-validate.",
            )
        return Account(self._run.people_of(key.reveal()))

    def _check_new_key(self, account: Account) -> None:
        """Check a new key with the server, and warn when the profile's org is none of its orgs."""
        names = [org.name for org in account.orgs]
        org = self._stored.get("org", "")
        if self._run.flags.org is None and org and org not in names:
            self._run.output.warn(f"org '{org}' of the profile is not among those of this key")

    # org and team

    def _org(self, account: Account | None, text: str) -> Org | None:
        if text == NO_ORG:
            return None
        return account.org(text) if account is not None else Org(_name(text))

    def _team(self, account: Account | None, org: str, text: str) -> str:
        if text == NO_TEAM:
            return ""
        if not org:
            raise UsageError(f"team '{text}' needs an org", hint="Add --org.")
        return account.team(org, text) if account is not None else _name(text)

    def _ask_org(self, account: Account | None) -> Org | None:
        known = self._stored.get("org", "")
        labels = [org_label(org) for org in account.orgs] if account is not None else []
        if account is not None and not labels:
            return self._questions.ask("org", "--org", _only_no_org, default=NO_ORG)
        self._show_choices(labels)
        if account is not None and known not in [org.name for org in account.orgs]:
            known = labels[0] if len(labels) == 1 else ""
        default = known or ("" if account is not None else NO_ORG)
        return self._questions.ask("org", "--org", lambda text: self._org(account, text), default=default)

    def _ask_team(self, account: Account | None, org: str) -> str:
        known = self._stored.get("team", "") if org == self._stored.get("org") else ""
        if account is not None:
            names = account.teams(org)
            self._show_choices([*names, NO_TEAM])
            known = known if known in names else ""
        return self._questions.ask(
            "team", "--team", lambda text: self._team(account, org, text), default=known or NO_TEAM
        )

    def _show_choices(self, names: list[str]) -> None:
        if names:
            self._run.output.note("Choices: " + ", ".join(names))


def overridden_by_environment(run: Runtime, plan: Plan) -> list[str]:
    """Variables that are set and win over what the plan changes."""
    names = {"api_key": plan.api_key is not None, **{name: name in plan.values for name in _OVERRIDABLE}}
    return [
        offer.name
        for name, changed in names.items()
        for offer in run.settings.candidates[name][:2]
        if changed and offer.source == ENVIRONMENT
    ]


_OVERRIDABLE = ("format_type", "org", "team")


def _new_key(text: str) -> Secret:
    try:
        check_key(text)
    except ValueError as error:
        raise UsageError(f"this is not an API key: {error}") from None
    register_secret(text)
    return Secret(text)


def _format(text: str) -> str:
    if text not in FORMATS:
        raise UsageError(f"'{text}' is not an output format", hint=f"Use one of: {', '.join(FORMATS)}.")
    return text


def _name(text: str) -> str:
    try:
        return parse_name(text)
    except ValueError as error:
        raise UsageError(f"'{text}' {error}") from error


def _only_no_org(text: str) -> None:
    if text != NO_ORG:
        raise ConfigError(f"org '{text}' is not one of yours", hint=f"There are: {NO_ORG}.")
