/// \file  What kind of content a command wrote, when the manifest says `content_type = "sniff"`.
#pragma once

#include <string_view>

namespace trilby::invoke {

inline constexpr std::string_view kSniff = "sniff";

/// \return the type from a closed list (PNG, GIF, JPEG, JSON, UTF-8 text), else application/octet-stream. Nothing that
/// a browser would run is in the list. Looks at the first 64 KiB and the last byte, so a large body costs no more than
/// a small one.
[[nodiscard]] std::string_view sniff_content_type(std::string_view body);

}  // namespace trilby::invoke
