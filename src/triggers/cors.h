/// \file  Cross-origin requests: https://fetch.spec.whatwg.org/#http-cors-protocol
#pragma once

#include <optional>

#include "call/call.h"
#include "triggers/route_table.h"

namespace trilby::triggers {

/// Whether a page of the origin that `fields` name may read what `route` answers.
[[nodiscard]] bool allows_origin(const Route& route, const Fields& fields);

/// Puts what the browser must see into the fields of `route`'s answer. `allowed` is allows_origin() of the request.
void add_cors(const Route& route, bool allowed, Fields& answer);

/// Answers a preflight (an OPTIONS with Origin and Access-Control-Request-Method) from the routes with `cors` that the
/// request announced by it could take. \return nothing when it is no preflight, or no such route is there
[[nodiscard]] std::optional<Outcome> answer_preflight(const RouteTable& table, const Call& call);

}  // namespace trilby::triggers
