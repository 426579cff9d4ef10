"""The services of Pub/Sub over gRPC. Calls that are not here are UNIMPLEMENTED."""

from __future__ import annotations

import itertools
from typing import ClassVar

import grpc
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal
from local.standins.pubsub.publisher import Publisher
from local.standins.pubsub.push import Sign
from local.standins.pubsub.resources import Resources
from local.standins.pubsub.rpcs import NotServed, Rpcs, handler
from local.standins.pubsub.rules import Pb
from local.standins.pubsub.streaming import streaming_handler
from local.standins.pubsub.subscriber import Subscriber
from shared.clock import Clock


class PubSubService:
    def __init__(self, clock: Clock, sign: Sign) -> None:
        self.resources = Resources(clock)
        self._subscriber = Subscriber(self.resources, sign)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        return (
            handler("google.pubsub.v1.Publisher", Publisher(self.resources, self._subscriber.start_or_stop_pushing)),
            streaming_handler(self.resources),
            handler("google.pubsub.v1.Subscriber", self._subscriber),
            handler("google.pubsub.v1.SchemaService", _Schemas()),
            handler("google.iam.v1.IAMPolicy", _Policies(self.resources)),
            NotServed(),
        )

    async def close(self) -> None:
        await self._subscriber.close()


class _Schemas:
    """Schemas cannot be made, so that there are none to list."""

    rpcs: ClassVar[Rpcs] = {"ListSchemas": (types.ListSchemasRequest.pb(), types.ListSchemasResponse.pb())}

    async def ListSchemas(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        return types.ListSchemasResponse.pb()()


class _Policies:
    """Policies of topics and subscriptions: they are kept, and nothing is refused by them."""

    rpcs: ClassVar[Rpcs] = {
        "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest, policy_pb2.Policy),
        "SetIamPolicy": (iam_policy_pb2.SetIamPolicyRequest, policy_pb2.Policy),
        "TestIamPermissions": (iam_policy_pb2.TestIamPermissionsRequest, iam_policy_pb2.TestIamPermissionsResponse),
    }

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._etags = itertools.count(1)

    async def GetIamPolicy(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        return self._resources.policy(request.resource)

    async def SetIamPolicy(self, request: Pb) -> Pb:  # noqa: N802
        etag = self._resources.policy(request.resource).etag
        if request.policy.etag and request.policy.etag != etag:
            raise Refusal(grpc.StatusCode.ABORTED, "There were concurrent policy changes: read it again.")
        policy = policy_pb2.Policy()
        policy.CopyFrom(request.policy)
        policy.etag = f"{next(self._etags):08d}".encode()
        self._resources.policies[request.resource] = policy
        return policy

    async def TestIamPermissions(self, request: Pb) -> Pb:  # noqa: N802
        self._resources.policy(request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)
