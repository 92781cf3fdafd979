"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from approvals.lifecycle import RefusalCode, Refused

MEDIA_TYPE = "application/problem+json"
STATUS = {
    RefusalCode.CONFLICT: 403,
    RefusalCode.NOT_ENTITLED: 403,
    RefusalCode.UNKNOWN: 404,
    RefusalCode.REASON_REQUIRED: 422,
    RefusalCode.REASON_TOO_LONG: 422,
}
"""The HTTP status of each refusal; those not named clash with where the request stands: 409."""

_WORDS = {404: "there is no such page", 405: "that method is not allowed here"}


class ApiError(HTTPException):
    """An answer that is an error: a ``code`` for programs, a ``message`` for people, and members of its own."""

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(status, headers={"www-authenticate": "Bearer"} if status == 401 else None)
        self.code, self.message, self.more = code, message, more


class TooMany(ApiError):
    """Somebody asks too often, and may ask again in ``seconds``."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "too_many", "that is too often: slow down")
        self.headers = {"retry-after": str(seconds)}


def refusal(refused: Refused, **more: object) -> ApiError:
    """``refused`` as an error."""
    versions: dict[str, object] = (
        {} if refused.version is None else {"version": refused.version, "current": refused.current}
    )
    return ApiError(STATUS.get(refused.code, 409), refused.code, refused.message, **(versions | more))


def problem(error: HTTPException) -> Response:
    """``error`` as a problem: ``type``, ``title``, ``status``, ``detail``, ``code`` and what else it says."""
    status = error.status_code
    if isinstance(error, ApiError):
        code, detail, more = str(error.code), error.message, error.more
    else:
        code, detail, more = "http", _WORDS.get(status, "the request could not be answered"), {}
    body = {
        "type": f"urn:sluicegate:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    return JSONResponse(body, status_code=status, headers=error.headers, media_type=MEDIA_TYPE)
