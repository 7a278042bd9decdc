/// \file  gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), as one serves it: calls of
/// one message each way, uncompressed. Takes requests and makes answers of http/; knows nothing of what messages hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "base/result.h"
#include "base/units.h"
#include "call/fields.h"
#include "http/message.h"

namespace trilby::http {

/// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
enum class GrpcStatus : std::uint8_t {
  Ok = 0,
  Cancelled = 1,
  Unknown = 2,
  InvalidArgument = 3,
  DeadlineExceeded = 4,
  NotFound = 5,
  AlreadyExists = 6,
  PermissionDenied = 7,
  ResourceExhausted = 8,
  FailedPrecondition = 9,
  Aborted = 10,
  OutOfRange = 11,
  Unimplemented = 12,
  Internal = 13,
  Unavailable = 14,
  DataLoss = 15,
  Unauthenticated = 16,
};

/// What a status of HTTP is in gRPC; Ok below 400.
[[nodiscard]] GrpcStatus grpc_status(int http_status);

/// Whether a request says that it is one: "application/grpc", with or without "+proto" and parameters.
[[nodiscard]] bool is_grpc(const Fields& fields);

/// The `grpc-timeout` field. \return the longest duration that there is when it is absent; Reason::BadRequest when it
/// is malformed, or there twice
[[nodiscard]] Result<Duration> grpc_timeout(const Fields& fields);

/// Whether messages come as they are; else the answer is refuse_grpc_encoding().
[[nodiscard]] bool is_identity(const Fields& fields);

/// In front of each message: whether it is compressed, and its length.
inline constexpr std::size_t kGrpcPrefix = 5;
[[nodiscard]] std::string grpc_prefix(std::uint32_t length);

/// The only message of a request, whose body is `body`. Ownership: a view.
/// \return what is wrong with it, for the caller; each of it is GrpcStatus::Internal
[[nodiscard]] tl::expected<std::string_view, std::string_view> only_grpc_message(std::string_view body);

/// An answer of one message. \param body  begins with grpc_prefix(); \param metadata  as grpc_error()'s
[[nodiscard]] Response grpc_answer(std::unique_ptr<BodySource> body, Fields metadata);
/// An answer without a message. \param message  for people; up to 1 KiB of it is sent
/// \param metadata  fields that are sent where gRPC can: names and values of printable ASCII, and none of its own names
[[nodiscard]] Response grpc_error(GrpcStatus status, std::string_view message, Fields metadata);
[[nodiscard]] Response refuse_grpc_encoding(Fields metadata);

}  // namespace trilby::http
