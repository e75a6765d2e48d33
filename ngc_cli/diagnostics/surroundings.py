"""What a probe takes from the machine: trusted certificates, the proxy, and a time limit for calls without one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def default_ca_bundle() -> str:
    """The file of certificates trusted when no other is named."""
    from certifi import where  # what requests uses, and the only name of it that is typed

    return where()


def proxy_for(url: str) -> str:
    """The proxy that requests to this URL take, with its credentials; empty for none."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None)) or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def within(limit_s: float, action: Callable[[], Result]) -> Result:
    """The result of an action that cannot be limited otherwise; raises TimeoutError when it takes longer.

    It runs in a thread that is left alone then, and that does not keep the process from ending.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError
    return results[0]
