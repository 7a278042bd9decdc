#include "base/reason.h"

namespace trilby {
namespace {

constexpr std::array<ReasonInfo, kReasonCount> kTable = {{
    {Reason::Ok, "ok", 200, 0, "The function answered"},
    {Reason::BadInput, "bad-input", 422, 65, "The function refused the input"},
    {Reason::FunctionFailed, "function-failed", 500, 70, "The function failed"},
    {Reason::Trap, "trap", 500, 70, "The function crashed in its sandbox"},
    {Reason::LimitMemory, "limit-memory", 500, 137, "The function needed more memory than it may use"},
    {Reason::LimitOutput, "limit-output", 500, 70, "The function produced more output than it may"},
    {Reason::LimitCpu, "limit-cpu", 504, 124, "The function used up its CPU time"},
    {Reason::LimitWall, "limit-wall", 504, 124, "The function took too long"},
    {Reason::LimitCalls, "limit-calls", 500, 70, "The function made more host calls than it may"},
    {Reason::Denied, "denied", 403, 77, "The function was not allowed what it asked for"},
    {Reason::BadRequest, "bad-request", 400, 64, "The request is malformed"},
    {Reason::NotFound, "not-found", 404, 64, "There is nothing at this address"},
    {Reason::MethodNotAllowed, "method-not-allowed", 405, 64, "This address does not take that method"},
    {Reason::Unauthorized, "unauthorized", 401, 77, "A valid token is needed"},
    {Reason::HeadTooLarge, "head-too-large", 431, 64, "The request head is too large"},
    {Reason::BodyTooLarge, "body-too-large", 413, 64, "The request body is too large"},
    {Reason::RequestTimeout, "request-timeout", 408, 64, "The request came too slowly"},
    {Reason::Overloaded, "overloaded", 503, 75, "Too many requests are waiting already"},
    {Reason::Draining, "draining", 503, 75, "The service is shutting down"},
    {Reason::UpstreamFailed, "upstream-failed", 502, 69, "What this service called failed"},
    {Reason::Cancelled, "cancelled", 499, 75, "The caller went away"},
    {Reason::Manifest, "manifest", 500, 78, "The manifest is wrong"},
    {Reason::Internal, "internal", 500, 70, "A defect in the service"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].reason) != i) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "info() indexes the table by reason");

}  // namespace

const ReasonInfo& info(Reason reason) {
  return kTable.at(static_cast<std::size_t>(reason));
}

std::optional<Reason> reason_from_name(std::string_view name) {
  for (const ReasonInfo& row : kTable) {
    if (row.name == name) {
      return row.reason;
    }
  }
  return std::nullopt;
}

}  // namespace trilby
