"""OTLP's own messages, except that parts of a record stay encoded: `repeated bytes attributes`.

On the wire a message and bytes look the same. Most attributes of a request occur in it many times, so
`protobuf.py` decodes each distinct one once, which takes less than half the time. A span's events and links
matter only where it has no ids. OTLP's descriptors are copied into a separate pool, with these fields
changed.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

ENCODED = {"Span": {"attributes", "events", "links"}, "LogRecord": {"attributes"}}


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, logs_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for field in message.field:
                if field.name in ENCODED.get(message.name, ()):
                    field.type = FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_messages = _pool()

# What a large body is parsed by, record by record (`slices.py`).
Resource: Any = GetMessageClass(_messages.FindMessageTypeByName("opentelemetry.proto.resource.v1.Resource"))
Scope: Any = GetMessageClass(
    _messages.FindMessageTypeByName("opentelemetry.proto.common.v1.InstrumentationScope")
)
Span: Any = GetMessageClass(_messages.FindMessageTypeByName("opentelemetry.proto.trace.v1.Span"))
LogRecord: Any = GetMessageClass(_messages.FindMessageTypeByName("opentelemetry.proto.logs.v1.LogRecord"))

# Field for field what ExportTraceServiceRequest and ExportLogsServiceRequest are.
TracesData: Any = GetMessageClass(_messages.FindMessageTypeByName("opentelemetry.proto.trace.v1.TracesData"))
LogsData: Any = GetMessageClass(_messages.FindMessageTypeByName("opentelemetry.proto.logs.v1.LogsData"))
