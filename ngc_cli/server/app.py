"""Builds the application out of the routes of every noun."""

from __future__ import annotations

import uuid
from contextlib import suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from ngc_cli.files import sync_folder
from ngc_cli.server.access_log import AccessLog
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.backends import open_store
from ngc_cli.server.endpoint import ActionRoute, Registry
from ngc_cli.server.metadata import Database
from ngc_cli.server.problems import ErrorFormat, Problem, render
from ngc_cli.server.routes import (
    artifacts,
    auth,
    distribution,
    files,
    links,
    orgs,
    repositories,
    search,
    uploads,
)
from ngc_cli.server.routes.distribution.repository import is_oci_path
from ngc_cli.server.search import terms

ROUTES: tuple[ActionRoute, ...] = (
    *links.ROUTES,  # the most frequent requests first: they are tried in this order
    *auth.ROUTES,
    *orgs.ROUTES,
    *search.ROUTES,
    *artifacts.ROUTES,
    *files.ROUTES,
    *uploads.ROUTES,
    *repositories.ROUTES,
    *distribution.ROUTES,
)


def open_registry(config: ServerConfig) -> Registry:
    """Open the data of a registry, made on first use; raises AdminError when its contents belong to another database."""
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):  # of another owner: who made it so has decided who may enter
        config.data_dir.chmod(
            0o700
        )  # it holds the signing secret, and may have been made by mkdir or a volume
    with suppress(PermissionError):  # a folder that may be entered and not listed
        sync_folder(config.data_dir.parent)
    database = Database(config.sqlalchemy_url)
    database.create_tables()
    terms.ensure(database)
    store = open_store(config, database.secret("registry_id").hex())
    return Registry(config, database, store, Signer(database.secret("signing_secret")))


def create_app(config: ServerConfig) -> Starlette:
    """The registry as an ASGI application; its ``state.registry`` holds the open data."""
    middleware = [Middleware(AccessLog, path=config.access_log)] if config.access_log else []
    app = Starlette(
        routes=list(ROUTES), middleware=middleware, exception_handlers={HTTPException: _no_such_route}
    )
    app.router.redirect_slashes = False
    app.state.registry = open_registry(config)
    return app


async def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405 of the router."""
    assert isinstance(error, HTTPException)
    said = "there is nothing at this path" if error.status_code == 404 else error.detail
    problem = Problem(error.status_code, said, headers=error.headers)
    error_format = ErrorFormat.OCI if is_oci_path(request.url.path) else ErrorFormat.NGC
    return render(problem, error_format, uuid.uuid4().hex)
