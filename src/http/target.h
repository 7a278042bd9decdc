/// \file  What a request is for: the request target and the Host field (RFC 9112 section 3). Private to http/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trilby::http {

/// Checks a request target and leaves it in origin-form, or "*" for OPTIONS: absolute-form, with http or https, loses
/// its scheme and authority.
/// \return the authority that was taken off, empty when there was none; nothing for any other target, and for bytes
///         that are not visible ASCII
[[nodiscard]] std::optional<std::string> reduce_target(std::string& target, std::string_view method);

/// Whether `host` may be the value of a Host field: host and port, or nothing.
[[nodiscard]] bool is_host(std::string_view host);

}  // namespace trilby::http
