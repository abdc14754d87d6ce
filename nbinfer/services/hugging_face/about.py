"""What a server says of itself when it is asked for that alone: `get_endpoint_info` and `health_check`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from nbinfer.answers import WholeAnswer
from nbinfer.errors import BadAnswerError, ParameterError
from nbinfer.flows import Produce, Read, Request, Response, Steps
from nbinfer.records import RecordsResult
from nbinfer.services.hugging_face.asked import Asked, shown
from nbinfer.services.hugging_face.routes import Target, is_url
from nbinfer.services.hugging_face.servers import Known, read_object, root


class About(Asked):
    """A question about the server, not for its model."""

    route: ClassVar[str]

    def awaited(self) -> WholeAnswer:
        """Return what holds the answer."""
        return WholeAnswer(partial(RecordsResult.of, unit="fact"), {}, model=shown(self.call))

    def request(self, known: Known) -> Request:
        """Return the request."""
        del known
        if not is_url(self.call.model):
            raise ParameterError(f"{self.call.model} is no address", hint="Only a server given by its URL tells this.")
        asked = self.sent(Target(root(self.call.model) + self.route), None)
        return Request(url=asked.url, method="GET", headers=asked.headers, timeout=asked.timeout)


class Info(About):
    """`/info` of TGI and TEI; what it says is remembered, so that limits are checked before anything is sent."""

    route = "/info"

    def steps(self, *, again: bool) -> Steps:
        """Ask, and remember."""
        del again
        request = self.request({})
        response: Response = yield from self.opened(request)
        body: bytes = yield Read()
        known = read_object(body)
        if not known and body.strip() != b"{}":
            raise BadAnswerError("the server tells nothing of itself at /info")
        self.call.servers[root(self.call.model)] = known
        self.answer.headers = response.headers
        yield Produce(iter([self.answer.take(known)]))


class Health(About):
    """`/health`: true where the server says that all is well."""

    route = "/health"

    def steps(self, *, again: bool) -> Steps:
        """Ask."""
        del again
        response: Response = yield self.request({})
        yield Read()
        self.answer.headers = response.headers
        yield Produce(iter([self.answer.take(response.status == 200)]))


ABOUT: Mapping[str, type[About]] = {"get-endpoint-info": Info, "health-check": Health}
