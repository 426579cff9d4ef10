"""Fetch the media of a request from its body, a bucket or the web, examine them and upload them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import partial

from functions.generate.lease import Lease
from functions.generate.question.model_checks import known_model, refuse_if_too_long
from functions.generate.question.parts import (
    ExaminedObject,
    Opener,
    UploadPart,
    as_sent,
    identities,
    opener_of,
    parts_of_bytes,
    parts_of_object,
)
from functions.generate.question.upload import (
    examine_object,
    file_warnings,
    find_uploaded_file,
    upload_part,
    upload_stream,
    wait_until_active,
)
from shared.cloud.fetch import RemoteFile
from shared.cloud.object_stream import SourceVanished
from shared.cloud.storage import StoredObject
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.errors import PermanentFailure, ReadForbidden, TransientFailure, Unavailable
from shared.domain.media import Facts, InMemory, Refusal
from shared.domain.models import catalogue
from shared.domain.models.catalogue import Model
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import shown_part
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.inputs import Inline, Input, Remote, StoredInput
from shared.domain.request.validation import refuse_file
from shared.domain.splitting.plan import is_split
from shared.domain.tasks.task import GeminiFile

_INLINE_BYTES = 700 << 10
"""Inline data up to this, all of a request's together, goes into the call itself; more is uploaded first: a call is
sent from the event loop, and again at every further round."""
_FETCH_ATTEMPTS = 3
_CONVERTED_BYTES = 32 << 20
"""Files on the web up to this many bytes are converted: they are read once, and held in memory meanwhile."""
_LOOK_SECONDS = 15.0
"""Seconds for examining a file on the web while its own transfer waits."""
_NOT_SPLIT = (
    "A request's file is asked about in parts if it is the only one, lies in a bucket, and is asked about in one user "
    "message, without stream and tools."
)
_WHOLE_BYTES = 4 << 20
"""Recordings on the web up to this many bytes are read a second time to measure them."""


class RequestInputs:
    """Prepares the inputs of one request for the model."""

    def __init__(self, deps: GenerateDeps, lease: Lease, recipe: Recipe, inputs: Sequence[Input]) -> None:
        self._deps, self._lease, self._recipe = deps, lease, recipe
        self._alone = len(inputs) == 1
        self._uploads_inline = sum(file.size for file in inputs if isinstance(file, Inline)) > _INLINE_BYTES
        self.model: Model | None = None
        """Set by the first input."""
        self.files: list[Facts] = []
        self.shown: list[Facts] = []
        """Of each file, the part that the model is shown: of a video, the range only."""
        self.sources: list[str] | None = []
        """The inputs as `gs://bucket/name#generation`; None if one of them is not an object."""
        self.remarks: list[str] = []
        self._uploads = 0
        """Files that were uploaded or found; of one input there may be several."""
        self._examined: ExaminedObject | None = None
        """The only file, if it was looked at before."""

    async def find_long_file(self, file: StoredInput) -> ExaminedObject | None:
        """Return the request's only file if it is to be asked about in parts; None for `prepare` to go on with it."""
        await self._find_model()
        try:
            stored = await self._stat(file)
            facts = await examine_object(self._deps, stored, divisible=True)
        except SourceVanished as error:
            raise TransientFailure(f"{file.uri} changed while it was read") from error
        self._examined = ExaminedObject(stored, facts)
        catalogued = catalogue.find_model(self._recipe.model, self._deps.clock.now().date())
        if not is_split(self._recipe, facts, catalogued):
            return None
        self._check_file(file, facts)
        return self._examined

    async def prepare(self, file: Input) -> PreparedFile:
        """Return the input as the model gets it. Inputs come in their order."""
        if self.model is None:
            await self._find_model()
        sent = await self._send(file)
        if isinstance(sent, PreparedFile):
            return sent
        active = [await wait_until_active(self._deps, self._lease, uploaded) for uploaded in sent]
        first, *more = [PreparedFile(uploaded.mime_type, uri=uploaded.uri) for uploaded in active]
        return first._replace(more=tuple(more))

    async def _send(self, file: Input) -> PreparedFile | list[GeminiFile]:
        """Upload the input as one file or several, which may not be ACTIVE yet; small inline data is returned as it is.

        What was read of the input is in the frames below this one only: it must not stay in memory for longer.
        """
        match file:
            case Inline():
                self.sources = None
                return await self._prepare_inline(file)
            case StoredInput():
                return await self._upload_stored(file)
            case Remote():
                self.sources = None
                return await self._upload_remote(file)

    async def parts_of(self, file: Input) -> list[UploadPart]:
        """Return what would be sent of a file that is not on the web, without uploading it."""
        if self.model is None:
            await self._find_model()
        if isinstance(file, StoredInput):
            try:
                stored, facts = await self._examine_stored(file)
                self._check_file(file, facts)
                parts = await parts_of_object(self._deps, self._lease, stored, facts)
            except SourceVanished as error:
                raise TransientFailure(f"{file.uri} changed while it was read") from error
            self.sources = [stored.identity]
            return parts
        assert isinstance(file, Inline)
        facts, data = await self._examine_bytes(file.data(), "", file.mime)
        self._check_file(file, facts)
        if facts.media_type.preparation is not None:
            return await parts_of_bytes(self._deps, self._lease, data, facts, file.param)

        return [UploadPart(facts, opener_of(data), file.param)]

    async def _find_model(self) -> None:
        """Look up the model, and warn of parameters that it ignores."""
        self.model = await known_model(self._deps, self._recipe.model)
        if self.model and (ignored := catalogue.ignored_parameters(self.model, self._recipe.parameters)):
            self.remarks.append(ignored)

    async def _prepare_inline(self, file: Inline) -> PreparedFile | list[GeminiFile]:
        facts, data = await self._examine_bytes(file.data(), "", file.mime)
        mime = self._check_file(file, facts)
        if facts.media_type.preparation is not None:
            return await self._upload_parts(
                file, await parts_of_bytes(self._deps, self._lease, data, facts, file.param)
            )
        self._show(file, [facts])
        if not self._uploads_inline:
            return PreparedFile(mime, data=base64.b64encode(data).decode())

        return [await self._upload_stream(opener_of(data), mime, name=file.param)]

    async def _upload_stored(self, file: StoredInput) -> list[GeminiFile]:
        try:
            stored, facts = self._examined or await self._examine_stored(file)
            media.check(facts)
            self._check_file(file, facts)
            parts = await parts_of_object(self._deps, self._lease, stored, facts)
            if self.sources is not None:
                self.sources += identities(stored.identity, parts)
            return await self._upload_parts(file, parts, source=stored.identity)
        except SourceVanished as error:
            raise TransientFailure(f"{file.uri} changed while it was read") from error

    async def _examine_stored(self, file: StoredInput) -> ExaminedObject:
        stored = await self._stat(file)
        try:
            return ExaminedObject(stored, await examine_object(self._deps, stored))
        except PermanentFailure as failure:
            if failure.code not in ("media_too_long", "payload_too_large"):
                raise
            raise PermanentFailure(failure.code, f"{failure.message} {_NOT_SPLIT}") from failure

    async def _stat(self, file: StoredInput) -> StoredObject:
        """Return the object that is named, ready to be read unpacked. Raises `PermanentFailure` if it cannot be."""
        try:
            stored = await self._deps.storage.stat(file.bucket, file.name)
            if stored is None:
                raise PermanentFailure("source_gone", f"{file.param}: {file.uri} is not there.")
            if file.generation not in (None, stored.generation):
                raise PermanentFailure("source_superseded", f"{file.param}: {file.uri} was overwritten.")
            return await self._deps.storage.readable(stored, self._lease.stop)
        except ReadForbidden as error:
            raise PermanentFailure(
                "source_not_readable",
                f"{file.param}: Dropsight may not read {file.uri}, or it is not there. Check the name; objects outside "
                "the inboxes have to be granted to it (manifests' sources, api.key_sources).",
            ) from error

    async def _upload_parts(self, file: Input, parts: list[UploadPart], *, source: str = "") -> list[GeminiFile]:
        """Upload what an input is sent as."""
        self._show(file, [part.facts for part in parts])
        self.remarks += [f"{file.param}: {note}" for part in parts for note in part.notes]
        files: list[GeminiFile] = []
        for part in parts:
            index, self._uploads = self._uploads, self._uploads + 1
            files.append(await upload_part(self._deps, self._lease, part, index=index, source=source))
        return files

    async def _upload_stream(self, opener: Opener, mime: str, *, name: str) -> GeminiFile:
        index, self._uploads = self._uploads, self._uploads + 1
        return await upload_stream(self._deps, self._lease, opener, mime, name=name, index=index)

    async def _upload_remote(self, file: Remote) -> list[GeminiFile]:
        if (uploaded := find_uploaded_file(self._deps, self._lease, self._uploads)) is not None:
            # What was uploaded is still there, whether or not the address still is.
            self._uploads += 1
            facts = Facts(media_type=media.media_type(uploaded.mime_type), size=0)
            self._check_file(file, facts)
            self._show(file, [facts])
            return [uploaded]
        remote = await self._fetch(file)
        unread: list[RemoteFile] = [remote]
        try:
            if (content := remote.whole or await self._read_small_text(remote)) is not None:
                facts, data = await self._examine_bytes(content, remote.name, remote.content_type)
            else:
                facts, data = await self._examine_remote(remote, file), None
            mime = self._check_file(file, facts)
            if facts.media_type.preparation is not None:
                return await self._prepare_remote(file, remote, facts, data)
            self._show(file, [facts])

            async def reopen() -> io.IOBase:
                if data is not None:
                    return io.BytesIO(data)
                return unread.pop() if unread else await self._fetch(file)

            return [await self._upload_stream(reopen, mime, name=remote.name)]
        finally:
            remote.close()

    async def _prepare_remote(
        self, file: Remote, remote: RemoteFile, facts: Facts, data: bytes | None
    ) -> list[GeminiFile]:
        """Convert a file on the web that is small enough to be held in memory."""
        if data is None:
            if remote.size > _CONVERTED_BYTES:
                message = (
                    f"{file.param}: this is {facts.media_type.label}, which has to be converted. Of files on the web "
                    f"up to {_CONVERTED_BYTES >> 20} MiB are; store this one in a bucket, and name it as gs://…"
                )
                raise PermanentFailure("payload_too_large", message)
            data = await self._deps.storage.in_thread(remote.read)
        parts = await parts_of_bytes(self._deps, self._lease, data, facts, remote.name)
        # Not to be taken for the whole of a file that was uploaded as it is.
        return await self._upload_parts(file, parts, source=file.param)

    async def _fetch(self, file: Remote) -> RemoteFile:
        try:
            return await self._deps.web.open(file.url, stop=self._lease.stop, seconds=self._seconds)
        except Unavailable:
            # The instance has too much to fetch already; nothing is wrong with the address.
            raise
        except TransientFailure as failure:
            if self._lease.task.attempts + 1 < _FETCH_ATTEMPTS:
                raise
            message = f"{file.param}: given up after {_FETCH_ATTEMPTS} attempts: {failure.message}"
            raise PermanentFailure("url_not_fetchable", message) from failure

    async def _read_small_text(self, remote: RemoteFile) -> bytes | None:
        """Read a text that is small enough to be converted; return None for anything else."""
        if remote.size > media.WHOLE:
            return None
        kind = await self._deps.storage.in_thread(partial(media.sniff, remote.head, remote.name, remote.content_type))
        if isinstance(kind, Refusal) or kind.format != "text":
            return None
        return await self._deps.storage.in_thread(remote.read)

    async def _examine_remote(self, remote: RemoteFile, file: Remote) -> Facts:
        """Examine a file on the web, as far as its server allows range requests."""
        kind = await self._deps.web.identify(remote, seconds=min(_LOOK_SECONDS, self._seconds))
        if isinstance(kind, Refusal):
            raise PermanentFailure(kind.code, kind.message)
        media.check_size(remote.size, pdf=kind.family == "pdf")
        web = self._deps.web
        ranges = web.ranges(remote, seconds=min(_LOOK_SECONDS, self._seconds))
        facts = await self._deps.examiner.examine(ranges, kind, whole_bytes=_WHOLE_BYTES)
        media.check(facts)
        has_no_tracks = not facts.has_audio and not facts.has_video
        if file.family == "audio" and kind.format == "mp4" and has_no_tracks:
            # Its index is out of reach, and without it films and recordings look the same.
            facts = facts.model_copy(update={"media_type": media.media_type("audio/mp4")})
        return facts

    @property
    def _seconds(self) -> float:
        """Seconds that a fetch may take."""
        return min(self._deps.settings.fetch_seconds, max(1.0, self._lease.seconds_left))

    async def _examine_bytes(self, data: bytes, name: str, declared: str | None) -> tuple[Facts, bytes]:
        """Examine bytes in memory; return the facts and the bytes to send."""
        in_thread = self._deps.storage.in_thread
        kind = await in_thread(partial(media.identify, InMemory(data), name, declared))
        if isinstance(kind, Refusal):
            raise PermanentFailure(kind.code, kind.message)
        facts = await self._deps.examiner.examine_bytes(data, kind)
        media.check(facts)
        return facts, await in_thread(partial(as_sent, data, facts))

    def _check_file(self, file: Input, facts: Facts) -> str:
        """Return the true MIME type. Raises if it is not what the part promises or what the model takes."""
        family = facts.media_type.family
        if file.family not in (None, family):
            message = f"{file.param} should be {file.family}, but this is {facts.media_type.label}."
            raise PermanentFailure("unsupported_content_type", message)
        if self.model is not None and (why := catalogue.check_input(self.model, family)):
            raise PermanentFailure("model_not_support_capability", f"{file.param}: {why}")
        refuse_file(self._recipe, file.param, facts, alone=self._alone)
        self.files.append(facts)
        self.remarks += [f"{file.param}: {remark}" for remark in file_warnings(facts)]
        return facts.media_type.mime

    def _show(self, file: Input, sent: list[Facts]) -> None:
        """Note what the model is shown of an input. Raises if it is too much, with what came before."""
        for facts in sent:
            if self.model is not None and (why := catalogue.check_input(self.model, facts.media_type.family)):
                raise PermanentFailure("model_not_support_capability", f"{file.param}: {why}")
        self.shown += [shown_part(self._recipe, facts) for facts in sent]
        refuse_if_too_long(self.shown, self.model, self._recipe.media_resolution)
