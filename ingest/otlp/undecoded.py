"""OTLP's own messages, except that a record's attributes stay encoded: `repeated bytes attributes`.

On the wire a message and bytes look the same. Most attributes of a request occur in it many times, so
`protobuf.py` decodes each distinct one once, which takes less than half the time. OTLP's descriptors are
copied into a separate pool, with that one field changed and fields that nobody reads left out.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

RECORDS = frozenset({"Span", "LogRecord"})
# Unknown fields are skipped, so what is never read is not parsed.
UNREAD = {"Span": {"events", "links"}}


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, logs_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            if message.name in UNREAD:
                read = [field for field in message.field if field.name not in UNREAD[message.name]]
                del message.field[:]
                message.field.extend(read)
            for field in message.field:
                if message.name in RECORDS and field.name == "attributes":
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
