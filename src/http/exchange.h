/// \file  What a handler holds of a connection: a request, and its body. Private to http/.
#pragma once

#include <memory>
#include <optional>

#include "http/server_core.h"

namespace trilby::http {

[[nodiscard]] std::shared_ptr<Exchange> make_exchange(std::shared_ptr<ServerConnection> connection,
                                                      ServerConnection::RequestNumber request, RequestHead head);
/// \param length  of the body; nothing when that is not known beforehand
[[nodiscard]] std::unique_ptr<BodySource> make_request_body(std::shared_ptr<ServerConnection> connection,
                                                            ServerConnection::RequestNumber request,
                                                            std::optional<std::uint64_t> length);

}  // namespace trilby::http
