// What a command writes as CGI, read as the server reads it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "invoke/cgi.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view output(reinterpret_cast<const char*>(data), size);
  const auto head = trilby::invoke::parse_cgi_head(output);
  if (!head) {
    return 0;
  }
  if (head->size > output.size() || head->size > trilby::invoke::kMaxCgiHead || head->status < 200 ||
      head->status > 599 || head->fields.size() > trilby::invoke::kMaxCgiFields) {
    std::abort();
  }
  for (const trilby::Field& field : head->fields) {
    if (field.name.empty() ||
        (field.name + field.value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      std::abort();
    }
  }
  return 0;
}
