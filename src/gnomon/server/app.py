"""The application: every room's routes under /api, the session, and the page that is built from `ui/`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import Scope

import gnomon
from gnomon.server import failures, provider_routes, runs_routes, story_routes
from gnomon.server.access import OPEN_CALLS, Access, Guard
from gnomon.server.failures import Failure
from gnomon.server.runs_folder import RunsFolder
from gnomon.server.sse import Closing
from gnomon.server.stories import Stories

STATIC = Path(__file__).parent / "static"
"""The built page. A checkout whose page was never built has none."""

_FOREVER = "public, max-age=31536000, immutable"


class Error(BaseModel):
    """What went wrong: `code` for programs, `message` for people, `field` names what was wrong in the request."""

    model_config = ConfigDict(extra="allow")
    code: str
    message: str
    field: str | None = None


class ErrorDocument(BaseModel):
    """Every answer that is not a success."""

    error: Error


class Health(BaseModel):
    """That the server is there, and which Gnomon it is."""

    version: str


class Code(BaseModel):
    """The code from the fragment of the address that Gnomon printed; whoever has the token needs none."""

    code: str | None = None


class Nothing(BaseModel):
    """An empty object."""

    model_config = ConfigDict(extra="forbid")


front = APIRouter(tags=["session"])


@front.get("/health")
def health() -> Health:
    """Whether the server answers; needs no token."""
    return Health(version=gnomon.__version__)


@front.post("/session")
async def session(request: Request, response: Response, body: Annotated[Code | None, Body()] = None) -> Nothing:
    """Let a browser in: for a code that was not used yet, or with the token, it gets the cookie."""
    access: Access = request.app.state.access
    code = body.code if body is not None else None
    if code is None and not access.holds_token(request.headers):
        raise Failure(401, "unauthorized", "Send a code, or the token.")
    if code is not None and not access.redeem(code):
        raise Failure(401, "bad_code", "That code was used already, or was never given; start Gnomon again for one.")
    response.set_cookie(access.cookie, access.session, httponly=True, samesite="strict", path="/")
    return Nothing()


page = APIRouter(include_in_schema=False)


@page.api_route("/", methods=["GET", "HEAD"])
@page.api_route("/story/{id}", methods=["GET", "HEAD"])
@page.api_route("/runs", methods=["GET", "HEAD"])
@page.api_route("/runs/{id}", methods=["GET", "HEAD"])
def index() -> Response:
    """The page, whichever of its places is asked for."""
    built = STATIC / "index.html"
    if not built.is_file():
        return PlainTextResponse(
            "The page was not built in this checkout; docs/architecture.md says how. The calls of /openapi.json work.\n"
        )
    return FileResponse(built)


@page.api_route("/{name}", methods=["GET", "HEAD"])
def beside(name: str) -> Response:
    """A file that lies beside the page, such as its icon."""
    path = STATIC / name
    if name.startswith(".") or path.parent != STATIC or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


class _Assets(StaticFiles):
    """Files whose names have a hash of what is in them: a browser never has to ask for one again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = _FOREVER
        return answer


class _Application(FastAPI):
    """FastAPI, whose description of the calls also says how one is let in, and that every error is JSON."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is not None:
            return self.openapi_schema
        found = super().openapi()
        access: Access = self.state.access
        found["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": access.cookie},
        }
        found["security"] = [{"token": []}, {"cookie": []}]
        for path, calls in found["paths"].items():
            for method, call in calls.items():
                if (method.upper(), path) in OPEN_CALLS:
                    call["security"] = []
                for status in ("4XX", "5XX"):  # streams would declare theirs as streams
                    call["responses"][status]["content"] = {
                        "application/json": {"schema": {"$ref": "#/components/schemas/ErrorDocument"}}
                    }
        return found


def create_app(*, stories: Stories, runs: Path, access: Access) -> FastAPI:
    """The application over some stories and a folder of runs, for whoever `access` lets in.

    At its end it ends every stream, then closes the stories, and asks a run that was begun here to stop.
    """
    folder = RunsFolder(runs)
    closing = Closing()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        closing.set()
        stories.close()
        folder.close()

    app = _Application(
        title="Gnomon",
        version=gnomon.__version__,
        description="Stories and runs on this machine. Positions in texts are code points.",
        docs_url=None,  # its page would come from elsewhere
        redoc_url=None,
        lifespan=life,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        responses={"4XX": {"model": ErrorDocument}, "5XX": {"model": ErrorDocument}},
    )
    app.state.access, app.state.closing = access, closing
    app.state.stories, app.state.runs = stories, folder
    failures.install(app)
    for router in (front, story_routes.router, provider_routes.router, runs_routes.router):
        app.include_router(router, prefix="/api")
    app.mount("/assets", _Assets(directory=STATIC / "assets", check_dir=False))
    app.include_router(page)
    app.add_middleware(Guard, access=access)
    return app
