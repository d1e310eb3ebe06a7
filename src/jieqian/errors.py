"""One tree of exceptions; each class's docstring is its default message, its name in snake case its `code`.

JieqianError
├── RequestError             an answer to a caller (RFC 9457 problem document)
│   ├── MalformedJson (400)  InvalidApiKey, VisitEnded (401)  CrossSiteRequest, OperatorOnly, NotSignedIn (403)
│   ├── UnknownCollection, UnknownLot, UnknownTask, UnknownDraw, UnknownParent, UnknownKey,
│   │   UnknownFaqEntry, UnknownBackup, UnknownShare, UnknownExperiment (404)
│   ├── RequestTimeout (408)  DrawAlreadyRevealed, NothingKept, AlreadyFilling, NothingToShare, ChangedMeanwhile,
│   │                          CollectionFixed, ImportAtWork, ExperimentExists, ExperimentRunning (409)
│   ├── QuestionTooLong, BodyTooLarge (413)
│   ├── InvalidRequest (422): InvalidLot, InvalidQuestion, UnsupportedLanguage, UnknownMode, UnknownStrategy,
│   │                          UnknownModel, IdempotencyMismatch, DrawMismatch, ImportRefused, EntryRefused,
│   │                          ExperimentRefused
│   └── RateLimited, QueueFull (429)  HeadersTooLarge (431)
├── ModelError               what a model server did; decides whether another attempt may help
│   ├── ModelUnreachable  ModelBusy  ModelRefused  ModelNotFound
│   ├── ModelTimeout: FirstTokenTimeout, ModelStalled
│   └── ModelCutOff  PromptTooLong
├── DownloadFailed           a model could not be fetched; says why, and how to go on
├── PackError                a collection's files are wrong; says file and line
├── TemplatesRefused         a version of the prompt's templates is not whole; says file and fault
├── IndexFailed              the index of passages cannot be used; passages are found by their characters
├── BackupError              a backup cannot be made, or a file that should be restored is none
├── StoreError               the database cannot be used (broken, closed)
│   └── StoreUnwritable      it takes no writes just now (full, read-only, locked)
├── LeaseLost                another worker holds the task now
├── DeadlinePassed           the task's one deadline is over
├── ServiceUnreachable       the service a command speaks to does not answer
└── UsageError               the command line or the settings are wrong; says what mends it
    └── DataFolderOwned      another process owns DATA_DIR
"""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar


class JieqianError(Exception):
    """Something went wrong inside the service."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code") or re.sub(r"\B(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or inspect.cleandoc(type(self).__doc__ or "")
        self.extra = extra
        super().__init__(self.detail)

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 problem document: `type`, `title`, `status`, `detail`, `code`, `retryable`, and extras."""
        return {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
            **self.extra,
        }


class RequestError(JieqianError):
    """The request cannot be served as it stands."""

    code = "bad_request"
    status = 400


class MalformedJson(RequestError):
    """The body is not valid JSON in UTF-8. Send one JSON object."""


class InvalidApiKey(RequestError):
    """The API key is unknown or was revoked. Make one with `jieqian keys create`."""

    status = 401


class VisitEnded(RequestError):
    """The widget's visit has ended, or its token is not one of this service. Load the page again to begin another."""

    status = 401


class CrossSiteRequest(RequestError):
    """A page of another site may not act for this visitor. Use an API key, or allow the site by CORS_ORIGINS."""

    status = 403


class OperatorOnly(RequestError):
    """Only the operator may do this: send ADMIN_TOKEN as `Authorization: Bearer`, or use `jieqian` on the machine."""

    status = 403


class NotSignedIn(RequestError):
    """The sign-in has ended, or the form is not one of this sign-in. Sign in at /admin and send it again."""

    status = 403


class UnknownCollection(RequestError):
    """There is no such collection. `GET /api/v1/collections` lists those there are."""

    status = 404


class UnknownLot(RequestError):
    """The collection has no lot of that number."""

    status = 404


class UnknownTask(RequestError):
    """There is no such task, or it is not yours."""

    status = 404


class UnknownKey(RequestError):
    """There is no such API key, or it was revoked before."""

    status = 404


class UnknownParent(UnknownTask):
    """The reading this one should follow is not there, or is not yours."""


class UnknownDraw(RequestError):
    """There is no such draw, or it is not yours."""

    status = 404


class UnknownFaqEntry(RequestError):
    """There is no such FAQ entry. `jieqian faq list --status all` shows them."""

    status = 404


class UnknownBackup(RequestError):
    """There is no such backup to fetch: each can be fetched once. Make another."""

    status = 404


class UnknownShare(RequestError):
    """There is no such link: it was withdrawn, has run out, or never was."""

    status = 404


class UnknownExperiment(RequestError):
    """There is no such experiment. `jieqian experiments list` shows those there are."""

    status = 404


class RequestTimeout(RequestError):
    """The request's body did not arrive in time. Send it again."""

    status = 408
    retryable = True


class DrawAlreadyRevealed(RequestError):
    """This draw was revealed before; a draw can be revealed once only."""

    status = 409


class NothingToShare(RequestError):
    """Only a reading that has ended, with something written in it, can be shared."""

    status = 409


class QuestionTooLong(RequestError):
    """The question is longer than 2,000 characters. Shorten it."""

    status = 413


class BodyTooLarge(RequestError):
    """The body is larger than this service takes."""

    status = 413


class HeadersTooLarge(RequestError):
    """The request's address and headers are over 64 kB. Send less: cookies of other services may be the cause."""

    status = 431


class InvalidRequest(RequestError):
    """A field of the request is missing or wrong."""

    status = 422


class InvalidLot(InvalidRequest):
    """That is no lot number. Write it as 7, ７ or 第七籤."""


class InvalidQuestion(InvalidRequest):
    """The question is empty. Write what you want to know; two characters are enough."""


class UnsupportedLanguage(InvalidRequest):
    """That language is not offered. Choose auto, zh-Hant, zh-Hans, en or ja."""


class UnknownMode(InvalidRequest):
    """That mode is not offered. Choose fast or quality."""


class UnknownStrategy(InvalidRequest):
    """That strategy is not offered. Choose auto, sequential or parallel."""


class UnknownModel(InvalidRequest):
    """That model is not here. `jieqian model list` shows those there are."""


class IdempotencyMismatch(InvalidRequest):
    """This Idempotency-Key was used with another body within 24 hours. Use a new key for a new request."""


class DrawMismatch(InvalidRequest):
    """The draw gave another lot than the one asked about, or was not revealed yet."""


class ImportRefused(InvalidRequest):
    """Nothing could be taken from that file."""


class EntryRefused(InvalidRequest):
    """The changed text does not fit the pack format; nothing was written. `faults` names each field."""


class ExperimentRefused(InvalidRequest):
    """This is no experiment: two or more variants are wanted that differ, with shares that add up to 100."""


class RateLimited(RequestError):
    """Too many requests in a short time. Wait as long as Retry-After says."""

    status = 429
    retryable = True


class NothingKept(RequestError):
    """No answers are kept here: CACHE_ENTRIES is 0, or no model writes. `jieqian doctor` tells which."""

    status = 409


class AlreadyFilling(RequestError):
    """Another `jieqian cache warm` is at work; wait until it has ended."""

    status = 409


class ChangedMeanwhile(RequestError):
    """It was changed since you looked at it; nothing was written. Look at it again."""

    status = 409


class CollectionFixed(RequestError):
    """This collection was not imported: what comes with the package, or lies there by hand, is not changed here."""

    status = 409


class ImportAtWork(RequestError):
    """Another import is being read or written. Wait for it to end."""

    status = 409


class ExperimentExists(RequestError):
    """There was an experiment of that name already, and its readings bear it. Give this one another name."""

    status = 409


class ExperimentRunning(RequestError):
    """Another experiment of that mode runs, and a mode has one at a time. Stop it first, or wait for its end."""

    status = 409


class QueueFull(RequestError):
    """The queue is full. Wait as long as Retry-After says."""

    status = 429
    retryable = True


class ModelError(JieqianError):
    """The model server did not give a whole answer."""

    status = 502
    retryable = True


class ModelUnreachable(ModelError):
    """The model server cannot be reached."""


class ModelBusy(ModelError):
    """The model server has too much to do (429 or 503)."""


class ModelRefused(ModelError):
    """The model server refused the request; asking again the same way will not help."""

    retryable = False


class ModelNotFound(ModelRefused):
    """The model server does not have that model."""


class ModelTimeout(ModelError):
    """The model server took too long."""


class FirstTokenTimeout(ModelTimeout):
    """The model server took too long to begin."""

    code = "model_first_token_timeout"


class ModelStalled(ModelTimeout):
    """The model server fell silent in the middle of its answer."""


class ModelCutOff(ModelError):
    """The model server ended the connection in the middle of its answer."""


class PromptTooLong(ModelRefused):
    """The prompt does not fit the model's window, or the server cut it. Raise LLM_CONTEXT_TOKENS."""


class DownloadFailed(JieqianError):
    """The model could not be fetched."""


class PackError(JieqianError):
    """A collection's files are wrong."""

    def __init__(self, detail: str, *, file: str = "", line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + detail)
        self.file = file
        self.line = line


class TemplatesRefused(JieqianError):
    """A version of the prompt's templates is not whole, and is not offered."""


class StoreError(JieqianError):
    """The database cannot be used just now."""

    status = 503
    retryable = True


class StoreUnwritable(StoreError):
    """The database cannot be written just now. Check the disk's space and the data folder's rights."""


class BackupError(JieqianError):
    """The backup cannot be made or restored."""


class IndexFailed(JieqianError):
    """The index of passages cannot be used; passages are found by their characters. `jieqian corpus index` mends it."""

    def __init__(self, kind: str = "unusable", said: str | None = None) -> None:
        super().__init__(said)
        #: `missing` (not installed), `locked` (by another process), `unusable` (rights, space), `damaged`, `died` (its
        #: process), `silent` (no answer in time), `embedder` (no vector could be made), `starting` (not filled yet).
        self.kind = kind


class LeaseLost(JieqianError):
    """Another worker holds this task now, or it has ended; nothing was written."""


class DeadlinePassed(JieqianError):
    """The reading took longer than TASK_DEADLINE_SECONDS allows."""

    status = 504
    retryable = True


class ServiceUnreachable(JieqianError):
    """The service does not answer. `jieqian doctor` says why."""

    status = 503
    retryable = True


class UsageError(JieqianError):
    """The command or a setting is wrong."""


class DataFolderOwned(UsageError):
    """Another jieqian process uses the data folder."""
